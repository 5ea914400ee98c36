/* SPDX-License-Identifier: Apache-2.0 */
/* One virtio device on either bus, and the driver that brings it up. */
#ifndef KETCH_TESTSUITE_DEVICES_VIRTIO_MACHINE_H
#define KETCH_TESTSUITE_DEVICES_VIRTIO_MACHINE_H

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

#include "testsuite/devices/virtio/driver.h"

extern "C" {
#include "devices/virtio/virtio.h"
}

namespace virtio_test
{

struct Setup {
    bool pci, packed, event, indirect;
};

inline std::vector<Setup> all_setups()
{
    return { { false, false, false, false }, { false, true, true, true },
             { true, false, true, true },    { true, true, false, false } };
}

inline std::string setup_name(const testing::TestParamInfo<Setup> &p)
{
    return std::string(p.param.pci ? "pci" : "mmio") + (p.param.packed ? "_packed" : "_split") +
           (p.param.event ? "_event" : "");
}

class Machine
{
  public:
    static constexpr uint64_t kBase = 0x10000000, kBar = 0x40004000;

    /* `type` without its bus: "virtio-rng"; `props` with a comma in front. */
    Machine(const Setup &setup, const std::string &type, const std::string &props = "",
            std::map<std::string, void *> links = {})
        : setup(setup), links(links)
    {
        GError *error = nullptr;
        std::string spec = type + (setup.pci ? "-pci" : "-device") +
                           (setup.packed ? ",packed=on" : "") + props;

        env.mem = ram.mem;
        env.clock = clock_new();
        env.link = link;
        env.opaque = this;
        bus = dev_new(setup.pci ? &dev_pci_host_ecam : &dev_virtio_mmio, &env, nullptr, nullptr);
        EXPECT_TRUE(dev_realize(bus, &error));
        for (unsigned i = 0; i < bus->type->n_irqs; i++) {
            bus->irq[i] = { set_line, this, i };
        }
        EXPECT_TRUE(dev_map(bus, 0, setup.pci ? 0x20000000 : kBase, &error));
        EXPECT_TRUE(!setup.pci || dev_map(bus, 1, 0x40000000, &error));
        dev = dev_plug(bus, spec.c_str(), &error);
        if (!dev) {
            refusal = error->message;
            g_clear_error(&error);
            return;
        }
        dev_reset(bus);
        enable_bus();
    }
    /* As firmware does after a reset. */
    void enable_bus()
    {
        if (setup.pci) {
            write_config(0x10, kBar);
            write_config(0x04, 2, 2);
        }
    }
    ~Machine()
    {
        dev_free(bus);
        clock_free(env.clock);
    }

    /* ---- Registers ---- */

    uint64_t read(uint64_t addr, unsigned size = 4)
    {
        uint64_t v = 0;
        EXPECT_TRUE(phys_load(ram.mem, addr, size, &v)) << std::hex << addr;
        return v;
    }
    void write(uint64_t addr, uint64_t v, unsigned size = 4)
    {
        EXPECT_TRUE(phys_store(ram.mem, addr, size, v)) << std::hex << addr;
    }
    uint64_t read_config(unsigned at, unsigned size = 4)
    {
        return read(0x20000000 + (1 << 15) + at, size);
    }
    void write_config(unsigned at, uint64_t v, unsigned size = 4)
    {
        write(0x20000000 + (1 << 15) + at, v, size);
    }
    uint8_t status()
    {
        return (uint8_t)(setup.pci ? read(kBar + 0x14, 1) : read(kBase + 0x70));
    }
    void set_status(uint8_t v)
    {
        setup.pci ? write(kBar + 0x14, v, 1) : write(kBase + 0x70, v);
    }
    uint64_t offered()
    {
        uint64_t all = 0;
        for (unsigned i = 0; i < 2; i++) {
            write(setup.pci ? kBar : kBase + 0x14, i);
            all |= read(setup.pci ? kBar + 4 : kBase + 0x10) << 32 * i;
        }
        return all;
    }
    void accept(uint64_t features)
    {
        for (unsigned i = 0; i < 2; i++) {
            write(setup.pci ? kBar + 8 : kBase + 0x24, i);
            write(setup.pci ? kBar + 0xc : kBase + 0x20, (uint32_t)(features >> 32 * i));
        }
    }
    uint64_t config(unsigned at, unsigned size = 4)
    {
        return read((setup.pci ? kBar + 0x2000 : kBase + 0x100) + at, size);
    }
    void set_config(unsigned at, uint64_t v, unsigned size = 4)
    {
        write((setup.pci ? kBar + 0x2000 : kBase + 0x100) + at, v, size);
    }
    uint8_t take_isr()
    {
        if (setup.pci) {
            return (uint8_t)read(kBar + 0x1000, 1);
        }
        uint8_t isr = (uint8_t)read(kBase + 0x60);
        write(kBase + 0x64, isr);
        return isr;
    }
    void kick(unsigned queue)
    {
        setup.pci ? write(kBar + 0x3000 + 4 * queue, queue) : write(kBase + 0x50, queue);
    }
    bool line()
    {
        /* PCI: slot 1, pin INTA */
        return lines[setup.pci ? 1 : 0];
    }

    /* ---- Bringing it up ---- */

    /* With all that is offered, but what the setup has not and `without`. */
    bool negotiate(uint64_t without = 0)
    {
        uint64_t f = offered() & ~without;

        f &= setup.event ? ~UINT64_C(0) : ~VIRTIO_F_EVENT_INDEX;
        f &= setup.indirect ? ~UINT64_C(0) : ~VIRTIO_F_INDIRECT;
        set_status(0);
        EXPECT_EQ(status(), 0);
        set_status(VIRTIO_ACKNOWLEDGE);
        set_status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
        accept(f);
        accepted = f;
        set_status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
        return status() & VIRTIO_FEATURES_OK;
    }
    void select_queue(unsigned index)
    {
        setup.pci ? write(kBar + 0x16, index, 2) : write(kBase + 0x30, index);
    }
    /* Enables a queue whose parts are anywhere. */
    void place_queue(unsigned index, uint16_t size, uint64_t desc, uint64_t driver, uint64_t device)
    {
        select_queue(index);
        setup.pci ? write(kBar + 0x18, size, 2) : write(kBase + 0x38, size);
        write_address(setup.pci ? kBar + 0x20 : kBase + 0x80, desc);
        write_address(setup.pci ? kBar + 0x28 : kBase + 0x90, driver);
        write_address(setup.pci ? kBar + 0x30 : kBase + 0xa0, device);
        setup.pci ? write(kBar + 0x1c, 1, 2) : write(kBase + 0x44, 1);
    }
    void add_queue(unsigned index, uint16_t size)
    {
        auto q = make_queue(ram, setup.packed, size, setup.event);

        select_queue(index);
        EXPECT_GE(setup.pci ? read(kBar + 0x18, 2) : read(kBase + 0x34), size);
        place_queue(index, size, q->desc, q->driver, q->device);
        EXPECT_EQ(setup.pci ? read(kBar + 0x1c, 2) : read(kBase + 0x44), 1u);
        q->ask_signal(true);
        if (queues.size() <= index) {
            queues.resize(index + 1);
        }
        queues[index] = std::move(q);
    }
    void start(unsigned n_queues, uint16_t size = 16, uint64_t without = 0)
    {
        ASSERT_TRUE(negotiate(without));
        for (unsigned i = 0; i < n_queues; i++) {
            add_queue(i, size);
        }
        set_status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
    }

    /* ---- Requests ---- */

    uint16_t submit(unsigned queue, const std::vector<Buffer> &out, const std::vector<Buffer> &in)
    {
        uint16_t id = queues[queue]->add(out, in, setup.indirect && out.size() + in.size() > 1);

        if (queues[queue]->must_kick()) {
            kick(queue);
        }
        return id;
    }
    std::optional<Used> wait(unsigned queue, int seconds = 60)
    {
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);

        for (;;) {
            auto used = queues[queue]->take();
            if (used) {
                queues[queue]->ask_signal(true);
                return used;
            }
            if (std::chrono::steady_clock::now() > end) {
                return {};
            }
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }
    /* Submits and waits; bytes written. */
    uint32_t request(unsigned queue, const std::vector<Buffer> &out, const std::vector<Buffer> &in)
    {
        uint16_t id = submit(queue, out, in);
        auto used = wait(queue);

        EXPECT_TRUE(used) << "no answer";
        EXPECT_TRUE(!used || used->id == id);
        return used ? used->written : UINT32_MAX;
    }
    /* The same, but nothing is taken before the interrupt: who takes first may get none. */
    uint32_t interrupting_request(unsigned queue, const std::vector<Buffer> &in)
    {
        submit(queue, {}, in);
        EXPECT_TRUE(eventually([&] { return line(); }));
        auto used = wait(queue);
        EXPECT_TRUE(used) << "no answer";
        return used ? used->written : UINT32_MAX;
    }
    bool eventually(const std::function<bool()> &what)
    {
        for (int i = 0; i < 120000; i++) {
            if (what()) {
                return true;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(500));
        }
        return false;
    }
    Virtio *virtio()
    {
        return (Virtio *)dev;
    }

    GuestRam ram;
    Setup setup;
    std::map<std::string, void *> links;
    DevEnv env = {};
    Dev *bus = nullptr, *dev = nullptr;
    std::string refusal;
    uint64_t accepted = 0;
    std::vector<std::unique_ptr<DriverQueue>> queues;
    std::atomic<bool> lines[4] = {};

  private:
    void write_address(uint64_t at, uint64_t v)
    {
        write(at, (uint32_t)v);
        write(at + 4, v >> 32);
    }
    static void set_line(void *opaque, unsigned number, bool level)
    {
        static_cast<Machine *>(opaque)->lines[number] = level;
    }
    static void *link(void *opaque, DevPropKind, const char *id, GError **error)
    {
        auto &links = static_cast<Machine *>(opaque)->links;

        if (!links.count(id)) {
            g_set_error(error, DEV_ERROR, 0, "there is no '%s'", id);
            return nullptr;
        }
        return links[id];
    }
};

/* Queues full of random and half-valid requests, kicked and reset at random: no crash, no report of
 * a sanitizer, and the device still works after a reset (what `works` checks). */
inline void fuzz_device(Machine &m, unsigned n_queues, int rounds, const std::function<void()> &works,
                        const std::function<void(std::mt19937_64 &, uint8_t *, size_t)> &header)
{
    std::mt19937_64 random(n_queues * 7 + m.setup.packed);
    uint64_t data = m.ram.alloc(0x10000);

    for (int round = 0; round < rounds; round++) {
        uint64_t keep = m.ram.next;

        m.queues.clear();
        m.start(n_queues, 16);
        for (int i = 0; i < 12; i++) {
            std::vector<Buffer> out, in;
            unsigned n_out = (unsigned)(random() % 4), n_in = (unsigned)(random() % 4);
            uint64_t at = data;
            unsigned q = (unsigned)(random() % n_queues);

            auto part = [&] {
                Buffer b = { at, (uint32_t)(random() % 3 ? random() % 64 : random() % 5000) };
                header(random, m.ram.at(b.addr), b.size);
                at += 0x1400;
                return random() % 200 ? b : Buffer{ random(), (uint32_t)random() };
            };
            for (unsigned k = 0; k < n_out; k++) {
                out.push_back(part());
            }
            for (unsigned k = 0; k < n_in; k++) {
                in.push_back(part());
            }
            if (out.empty() && in.empty()) {
                continue;
            }
            if (random() % 16 == 0) {
                m.ram.put<uint64_t>(m.queues[q]->desc + random() % 32 * 8, random());
            }
            for (int n = 0; n < 16 && m.queues[q]->take(); n++) {
            }
            if (m.queues[q]->free_slots() < out.size() + in.size()) {
                break;
            }
            m.queues[q]->add(out, in, m.setup.indirect && random() % 2);
            m.kick(q);
        }
        if (random() % 4 == 0) {
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
        m.ram.next = keep;
        if (round % 64 == 63) {
            m.queues.clear();
            works();
            m.ram.next = keep;
        }
    }
}

} // namespace virtio_test

#endif
