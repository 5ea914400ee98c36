/* SPDX-License-Identifier: Apache-2.0 */
/* The binary interface that plugins are built against: sizes, offsets, numbers, symbols. */
#include <gtest/gtest.h>

#include "plugins/qemu-plugin.h"

#define API(name, since, until) extern "C" void *const address_of_##name = (void *)qemu_plugin_##name;
#define KETCH(name)
#include "plugins/api.def"

namespace {

TEST(Abi, InstallationInfo)
{
    EXPECT_EQ(0u, offsetof(qemu_info_t, target_name));
    EXPECT_EQ(8u, offsetof(qemu_info_t, version.min));
    EXPECT_EQ(12u, offsetof(qemu_info_t, version.cur));
    EXPECT_EQ(16u, offsetof(qemu_info_t, system_emulation));
    EXPECT_EQ(20u, offsetof(qemu_info_t, system.smp_vcpus));
    EXPECT_EQ(24u, offsetof(qemu_info_t, system.max_vcpus));
    EXPECT_EQ(32u, sizeof(qemu_info_t));
}

TEST(Abi, Structures)
{
    EXPECT_EQ(0u, offsetof(qemu_plugin_u64, score));
    EXPECT_EQ(8u, offsetof(qemu_plugin_u64, offset));
    EXPECT_EQ(16u, sizeof(qemu_plugin_u64));
    EXPECT_EQ(0u, offsetof(qemu_plugin_mem_value, type));
    EXPECT_EQ(8u, offsetof(qemu_plugin_mem_value, data));
    EXPECT_EQ(24u, sizeof(qemu_plugin_mem_value));
    EXPECT_EQ(0u, offsetof(qemu_plugin_reg_descriptor, handle));
    EXPECT_EQ(8u, offsetof(qemu_plugin_reg_descriptor, name));
    EXPECT_EQ(16u, offsetof(qemu_plugin_reg_descriptor, feature));
    EXPECT_EQ(24u, sizeof(qemu_plugin_reg_descriptor));
    EXPECT_EQ(4u, sizeof(qemu_plugin_meminfo_t));
    EXPECT_EQ(8u, sizeof(qemu_plugin_id_t));
}

TEST(Abi, Numbers)
{
    EXPECT_EQ(0, QEMU_PLUGIN_CB_NO_REGS);
    EXPECT_EQ(1, QEMU_PLUGIN_CB_R_REGS);
    EXPECT_EQ(2, QEMU_PLUGIN_CB_RW_REGS);
    EXPECT_EQ(1, QEMU_PLUGIN_MEM_R);
    EXPECT_EQ(2, QEMU_PLUGIN_MEM_W);
    EXPECT_EQ(3, QEMU_PLUGIN_MEM_RW);
    EXPECT_EQ(0, QEMU_PLUGIN_COND_NEVER);
    EXPECT_EQ(1, QEMU_PLUGIN_COND_ALWAYS);
    EXPECT_EQ(2, QEMU_PLUGIN_COND_EQ);
    EXPECT_EQ(3, QEMU_PLUGIN_COND_NE);
    EXPECT_EQ(4, QEMU_PLUGIN_COND_LT);
    EXPECT_EQ(5, QEMU_PLUGIN_COND_LE);
    EXPECT_EQ(6, QEMU_PLUGIN_COND_GT);
    EXPECT_EQ(7, QEMU_PLUGIN_COND_GE);
    EXPECT_EQ(0, QEMU_PLUGIN_INLINE_ADD_U64);
    EXPECT_EQ(1, QEMU_PLUGIN_INLINE_STORE_U64);
    EXPECT_EQ(4, QEMU_PLUGIN_MEM_VALUE_U128);
    EXPECT_EQ(5, QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS_SPACE);
}

TEST(Abi, EverySymbolIsThere)
{
#define API(name, since, until)                  \
    EXPECT_NE(nullptr, address_of_##name) << #name; \
    EXPECT_LE(since, until) << #name;
#define KETCH(name)
#include "plugins/api.def"
}

TEST(Abi, BooleanWords)
{
    bool value = false;

    EXPECT_TRUE(qemu_plugin_bool_parse("x", "on", &value));
    EXPECT_TRUE(value);
    EXPECT_TRUE(qemu_plugin_bool_parse("x", "false", &value));
    EXPECT_FALSE(value);
    EXPECT_FALSE(qemu_plugin_bool_parse("x", "1", &value));
    EXPECT_FALSE(qemu_plugin_bool_parse("x", nullptr, &value));
}

} // namespace
