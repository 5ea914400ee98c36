/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/qemu-plugin.h - QEMU's plugin interface as Ketch implements it.
 *
 * A plugin is a shared object that exports qemu_plugin_version and qemu_plugin_install() and calls
 * the functions below, which the ketch program exports.  The binary interface is that of QEMU 7.2
 * (version 1) to 10.1 (version 5): what is built with one of QEMU's own headers of these loads
 * unchanged.  "Since" below is the version that has a function first; nothing stops a plugin of an
 * earlier version from calling it.
 *
 * Addresses are the guest's.  A vcpu is a guest thread, or a hart of a machine, numbered from 0; the number
 * of a thread that has ended is used again when it was the highest.  Callbacks of one vcpu run in its thread,
 * those of several at the same time: what they share needs a lock.  Handles of blocks and
 * instructions are good for the translation callback that they are given to.
 *
 * A callback must not block for a callback of another vcpu, which may be waiting for this one.
 */
#ifndef KETCH_PLUGINS_QEMU_PLUGIN_H
#define KETCH_PLUGINS_QEMU_PLUGIN_H

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QEMU_PLUGIN_EXPORT __attribute__((visibility("default")))
#define QEMU_PLUGIN_LOCAL __attribute__((visibility("hidden")))
#define QEMU_PLUGIN_API

#define QEMU_PLUGIN_VERSION 5

/* ---- What a plugin exports ---- */

/* Names a plugin in every call that is not about a block or an instruction. */
typedef uint64_t qemu_plugin_id_t;

/* The version of the interface that the plugin was built for: define it as QEMU_PLUGIN_VERSION. */
extern QEMU_PLUGIN_EXPORT int qemu_plugin_version;

typedef struct qemu_info_t {
    const char *target_name; /* of the guest: "riscv64" */
    struct {
        int min; /* versions of this interface that load */
        int cur;
    } version;
    bool system_emulation; /* a machine; false: a user-mode run, the union below is zero */
    union {
        struct {
            int smp_vcpus;
            int max_vcpus;
        } system;
    };
} qemu_info_t;

/* Called once, before the guest's first instruction.  `info` is good for the call, argv (the
 * "name=value" of -plugin, argc of them) for the plugin's life.  0: loaded; anything else ends
 * Ketch with a message. */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv);

/* ---- Types of callbacks ---- */

typedef void (*qemu_plugin_simple_cb_t)(qemu_plugin_id_t id);
typedef void (*qemu_plugin_udata_cb_t)(qemu_plugin_id_t id, void *userdata);
typedef void (*qemu_plugin_vcpu_simple_cb_t)(qemu_plugin_id_t id, unsigned int vcpu_index);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu_index, void *userdata);

/* ---- The plugin's life ---- */

/* The plugin gets no callbacks any more, and its instrumentation is gone, once `cb` (may be NULL)
 * has been called: soon, when no vcpu is in translated code.  While a reset waits: behind it.  Not from
 * qemu_plugin_install().  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_uninstall(qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb);

/* The same, but the plugin stays and may register callbacks from `cb` on.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_reset(qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb);

/* In each of the following a second registration replaces the first, and NULL removes it. */

/* All translations have been dropped and no vcpu runs: userdata of blocks may be freed.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_register_flush_cb(qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb);

/* The guest process ends; no vcpu runs any more.  Also in a process that the guest forked, whose
 * counts began as a copy of its parent's.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb,
                                                    void *userdata);

/* ---- vcpus ---- */

/* A vcpu's first instruction is about to run, in its thread.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id,
                                                       qemu_plugin_vcpu_simple_cb_t cb);

/* A guest thread ends; not when the whole process does.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_exit_cb(qemu_plugin_id_t id,
                                                       qemu_plugin_vcpu_simple_cb_t cb);

/* A hart of a machine waits for an interrupt (WFI) that is not there; the wait is over.  Never called in user
 * mode.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_idle_cb(qemu_plugin_id_t id,
                                                       qemu_plugin_vcpu_simple_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_resume_cb(qemu_plugin_id_t id,
                                                         qemu_plugin_vcpu_simple_cb_t cb);

/* Calls `cb` for each vcpu that exists, in this thread.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_vcpu_for_each(qemu_plugin_id_t id,
                                               qemu_plugin_vcpu_simple_cb_t cb);

/* One more than the highest number that a vcpu has had.  Since 2. */
QEMU_PLUGIN_API int qemu_plugin_num_vcpus(void);

/* ---- Blocks and instructions ---- */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;

/* What a callback does with guest registers.  With NO_REGS they are not written back for it. */
enum qemu_plugin_cb_flags {
    QEMU_PLUGIN_CB_NO_REGS,
    QEMU_PLUGIN_CB_R_REGS,
    QEMU_PLUGIN_CB_RW_REGS, /* since 5 */
};

enum qemu_plugin_mem_rw {
    QEMU_PLUGIN_MEM_R = 1,
    QEMU_PLUGIN_MEM_W,
    QEMU_PLUGIN_MEM_RW,
};

enum qemu_plugin_cond {
    QEMU_PLUGIN_COND_NEVER,
    QEMU_PLUGIN_COND_ALWAYS,
    QEMU_PLUGIN_COND_EQ,
    QEMU_PLUGIN_COND_NE,
    QEMU_PLUGIN_COND_LT, /* this and the others are unsigned */
    QEMU_PLUGIN_COND_LE,
    QEMU_PLUGIN_COND_GT,
    QEMU_PLUGIN_COND_GE,
};

enum qemu_plugin_op {
    QEMU_PLUGIN_INLINE_ADD_U64,
    QEMU_PLUGIN_INLINE_STORE_U64, /* since 2 */
};

/* A 64-bit word at byte `offset` of each vcpu's element of a scoreboard. */
typedef struct {
    struct qemu_plugin_scoreboard *score;
    size_t offset;
} qemu_plugin_u64;

/* A block is about to be translated: look at it, say what to do when it runs.  Once for a block,
 * and again after a flush. */
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                                           qemu_plugin_vcpu_tb_trans_cb_t cb);

/* What is registered for one point is done in the order of registration, what is registered for a
 * block before what is for its first instruction, and everything before the instruction itself. */

/* `cb` each time the block starts.  Since 1; _cond_: only when *entry COND imm, since 2. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
                                                          qemu_plugin_vcpu_udata_cb_t cb,
                                                          enum qemu_plugin_cb_flags flags,
                                                          void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_cond_cb(
    struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags,
    enum qemu_plugin_cond cond, qemu_plugin_u64 entry, uint64_t imm, void *userdata);

/* An operation on the vcpu's element, without a call.  Since 2. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb,
                                                                       enum qemu_plugin_op op,
                                                                       qemu_plugin_u64 entry,
                                                                       uint64_t imm);

/* The same three, each time the instruction is about to be executed. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                                            qemu_plugin_vcpu_udata_cb_t cb,
                                                            enum qemu_plugin_cb_flags flags,
                                                            void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_cond_cb(
    struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags,
    enum qemu_plugin_cond cond, qemu_plugin_u64 entry, uint64_t imm, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
    struct qemu_plugin_insn *insn, enum qemu_plugin_op op, qemu_plugin_u64 entry, uint64_t imm);

/* Number of instructions, address, instruction number idx (NULL beyond the last).  Since 1. */
QEMU_PLUGIN_API size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
QEMU_PLUGIN_API uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
QEMU_PLUGIN_API struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
                                                                 size_t idx);

/* Copies up to `len` bytes of the instruction, returns how many.  Since 3; before, the function
 * took only the instruction and returned a pointer to its bytes, and does so for such plugins. */
QEMU_PLUGIN_API size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest,
                                             size_t len);

/* Length in bytes; address; where it is in Ketch's memory (not executable).  Since 1. */
QEMU_PLUGIN_API size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
QEMU_PLUGIN_API uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
QEMU_PLUGIN_API void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);

/* Its text, to be freed with g_free().  Since 1. */
QEMU_PLUGIN_API char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *insn);

/* The function that it is in; NULL when unknown.  Stays valid.  Since 1. */
QEMU_PLUGIN_API const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *insn);

/* ---- Memory accesses ---- */

/* Describes one access; good for the callback that it is given to. */
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_hwaddr;

enum qemu_plugin_mem_value_type {
    QEMU_PLUGIN_MEM_VALUE_U8,
    QEMU_PLUGIN_MEM_VALUE_U16,
    QEMU_PLUGIN_MEM_VALUE_U32,
    QEMU_PLUGIN_MEM_VALUE_U64,
    QEMU_PLUGIN_MEM_VALUE_U128,
};

typedef struct {
    enum qemu_plugin_mem_value_type type;
    union {
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        struct {
            uint64_t low;
            uint64_t high;
        } u128;
    } data;
} qemu_plugin_mem_value;

typedef void (*qemu_plugin_vcpu_mem_cb_t)(unsigned int vcpu_index, qemu_plugin_meminfo_t info,
                                          uint64_t vaddr, void *userdata);

/* `cb` after each access of the instruction that rw selects and that did not fault.  An atomic
 * operation is a load, then a store.  With R_REGS registers are those before its result is
 * written; what RW_REGS writes to others is there for the next instruction.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
                                                      qemu_plugin_vcpu_mem_cb_t cb,
                                                      enum qemu_plugin_cb_flags flags,
                                                      enum qemu_plugin_mem_rw rw, void *userdata);

/* An operation instead.  Since 2. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_mem_inline_per_vcpu(struct qemu_plugin_insn *insn,
                                                                   enum qemu_plugin_mem_rw rw,
                                                                   enum qemu_plugin_op op,
                                                                   qemu_plugin_u64 entry,
                                                                   uint64_t imm);

/* log2 of the size in bytes; a load that extends the sign; big endian; a store.  Since 1. */
QEMU_PLUGIN_API unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
QEMU_PLUGIN_API bool qemu_plugin_mem_is_sign_extended(qemu_plugin_meminfo_t info);
QEMU_PLUGIN_API bool qemu_plugin_mem_is_big_endian(qemu_plugin_meminfo_t info);
QEMU_PLUGIN_API bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);

/* What was loaded or stored.  Only in the callback.  Since 4. */
QEMU_PLUGIN_API qemu_plugin_mem_value qemu_plugin_mem_get_value(qemu_plugin_meminfo_t info);

/* The physical side of an access of a machine, asked for in its callback; good until the next one in this
 * thread.  NULL, false, 0 and "Invalid" in user mode.  The name of memory is "RAM", that of a device stays.
 * Since 1. */
QEMU_PLUGIN_API struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info,
                                                                  uint64_t vaddr);
QEMU_PLUGIN_API bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *haddr);
QEMU_PLUGIN_API uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *haddr);
QEMU_PLUGIN_API const char *qemu_plugin_hwaddr_device_name(const struct qemu_plugin_hwaddr *h);

/* ---- Guest memory ---- */

/* Makes `data` the `len` bytes at addr; false, and `data` unchanged, when not all are readable.
 * Any time; in a machine, only in the thread of a vcpu, whose view of memory counts.  Since 4. */
QEMU_PLUGIN_API bool qemu_plugin_read_memory_vaddr(uint64_t addr, GByteArray *data, size_t len);

/* Writes all bytes of `data` at addr; false when the guest could not.  Code that is translated
 * already is not translated again before the guest's fence.  Since 5. */
QEMU_PLUGIN_API bool qemu_plugin_write_memory_vaddr(uint64_t addr, GByteArray *data);

enum qemu_plugin_hwaddr_operation_result {
    QEMU_PLUGIN_HWADDR_OPERATION_OK,
    QEMU_PLUGIN_HWADDR_OPERATION_ERROR,
    QEMU_PLUGIN_HWADDR_OPERATION_DEVICE_ERROR,
    QEMU_PLUGIN_HWADDR_OPERATION_ACCESS_DENIED,
    QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS,
    QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS_SPACE,
};

/* Physical memory of a machine, RAM and ROM: INVALID_ADDRESS when there is none, or a device.  Where vaddr is
 * for the vcpu of this thread; false: nowhere.  In user mode ERROR, ERROR, false.  Since 5. */
QEMU_PLUGIN_API enum qemu_plugin_hwaddr_operation_result
qemu_plugin_read_memory_hwaddr(uint64_t addr, GByteArray *data, size_t len);
QEMU_PLUGIN_API enum qemu_plugin_hwaddr_operation_result
qemu_plugin_write_memory_hwaddr(uint64_t addr, GByteArray *data);
QEMU_PLUGIN_API bool qemu_plugin_translate_vaddr(uint64_t vaddr, uint64_t *hwaddr);

/* ---- Guest registers ---- */

struct qemu_plugin_register;

typedef struct {
    struct qemu_plugin_register *handle;
    const char *name;
    const char *feature; /* of gdb's target description: "org.gnu.gdb.riscv.cpu" */
} qemu_plugin_reg_descriptor;

/* A new array of all registers, in gdb's order: free it with g_array_free(); the strings stay.
 * Since 2. */
QEMU_PLUGIN_API GArray *qemu_plugin_get_registers(void);

/* Appends the register's bytes, in the guest's order, to `buf`; returns how many, -1 when the
 * registers are not known here: in a callback of translated code that did not ask for them.
 * Since 2. */
QEMU_PLUGIN_API int qemu_plugin_read_register(struct qemu_plugin_register *handle, GByteArray *buf);

/* Sets it from `buf`, which holds all its bytes; returns how many, 0 when it cannot: RW_REGS was
 * not asked for, too few bytes, or the pc.  Since 5. */
QEMU_PLUGIN_API int qemu_plugin_write_register(struct qemu_plugin_register *handle,
                                               GByteArray *buf);

/* ---- Scoreboards: one element for each vcpu ---- */

/* Zeroed elements of `element_size` bytes, also for vcpus to come; at most some MiB in all.
 * Since 2. */
QEMU_PLUGIN_API struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
QEMU_PLUGIN_API void qemu_plugin_scoreboard_free(struct qemu_plugin_scoreboard *score);

/* The vcpu's element.  It does not move here; in QEMU it may, when a vcpu starts.  Since 2. */
QEMU_PLUGIN_API void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score,
                                                  unsigned int vcpu_index);

#define qemu_plugin_scoreboard_u64(score) ((qemu_plugin_u64){ score, 0 })
#define qemu_plugin_scoreboard_u64_in_struct(score, type, member) \
    ((qemu_plugin_u64){ score, offsetof(type, member) })

/* One vcpu's word, and the sum over all.  Since 2. */
QEMU_PLUGIN_API void qemu_plugin_u64_add(qemu_plugin_u64 entry, unsigned int vcpu_index,
                                         uint64_t added);
QEMU_PLUGIN_API uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned int vcpu_index);
QEMU_PLUGIN_API void qemu_plugin_u64_set(qemu_plugin_u64 entry, unsigned int vcpu_index,
                                         uint64_t val);
QEMU_PLUGIN_API uint64_t qemu_plugin_u64_sum(qemu_plugin_u64 entry);

/* ---- System calls ---- */

/* Before a call, and after it with the kernel's result (-errno; -512: it will be done again, -513:
 * there is none, as of rt_sigreturn).  exit and a successful execve do not come back.  Since 1. */
typedef void (*qemu_plugin_vcpu_syscall_cb_t)(qemu_plugin_id_t id, unsigned int vcpu_index,
                                              int64_t num, uint64_t a1, uint64_t a2, uint64_t a3,
                                              uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7,
                                              uint64_t a8);
typedef void (*qemu_plugin_vcpu_syscall_ret_cb_t)(qemu_plugin_id_t id, unsigned int vcpu_idx,
                                                  int64_t num, int64_t ret);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id,
                                                          qemu_plugin_vcpu_syscall_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_syscall_ret_cb(qemu_plugin_id_t id,
                                                              qemu_plugin_vcpu_syscall_ret_cb_t cb);

/* ---- Time: the guest's is the host's, so these do nothing ---- */

/* A handle for the first caller, NULL for others.  Since 4. */
QEMU_PLUGIN_API const void *qemu_plugin_request_time_control(void);
QEMU_PLUGIN_API void qemu_plugin_update_ns(const void *handle, int64_t time);

/* ---- Small help ---- */

/* To the log when `-d plugin` is on.  Since 1. */
QEMU_PLUGIN_API void qemu_plugin_outs(const char *string);

/* "on" "yes" "true", "off" "no" "false"; false when `val` is something else.  Since 1. */
QEMU_PLUGIN_API bool qemu_plugin_bool_parse(const char *name, const char *val, bool *ret);

/* The guest's program, of which a machine has none: its path, to be freed with g_free(); first address of its code, the first
 * behind it, its entry.  NULL and 0 before it is loaded (in qemu_plugin_install()).  Since 1. */
QEMU_PLUGIN_API const char *qemu_plugin_path_to_binary(void);
QEMU_PLUGIN_API uint64_t qemu_plugin_start_code(void);
QEMU_PLUGIN_API uint64_t qemu_plugin_end_code(void);
QEMU_PLUGIN_API uint64_t qemu_plugin_entry_code(void);

/* ---- Version 1 only ---- */

/* Additions to the word at `ptr`, which all vcpus share: counts get lost when two run. */
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb,
                                                              enum qemu_plugin_op op, void *ptr,
                                                              uint64_t imm);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                                enum qemu_plugin_op op, void *ptr,
                                                                uint64_t imm);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_mem_inline(struct qemu_plugin_insn *insn,
                                                          enum qemu_plugin_mem_rw rw,
                                                          enum qemu_plugin_op op, void *ptr,
                                                          uint64_t imm);

/* Of a machine; -1 in user mode. */
QEMU_PLUGIN_API int qemu_plugin_n_vcpus(void);
QEMU_PLUGIN_API int qemu_plugin_n_max_vcpus(void);

#ifdef __cplusplus
}
#endif

#endif
