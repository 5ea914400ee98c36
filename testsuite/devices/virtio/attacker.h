/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that breaks every rule: chains that loop, overlong or outside of RAM, tables that name
 * themselves, rings that change while they are read, registers at any time. */
#ifndef KETCH_TESTSUITE_DEVICES_VIRTIO_ATTACKER_H
#define KETCH_TESTSUITE_DEVICES_VIRTIO_ATTACKER_H

#include "testsuite/devices/virtio/machine.h"

namespace virtio_test
{

/* Fills the start of a request so that a device gets some way with it.  How long it is then; 0: as long
 * as you like. */
using Header = std::function<size_t(std::mt19937_64 &, uint8_t *, size_t)>;

class Attacker
{
  public:
    Attacker(Machine &m, unsigned n_queues, Header header, uint64_t seed)
        : m(m), header(header), random(seed), queues(n_queues)
    {
        for (Queue &q : queues) {
            q.desc = m.ram.alloc(16 * RING_MAX, 4096);
            q.driver = m.ram.alloc(4096, 4096);
            q.device = m.ram.alloc(4096, 4096);
        }
        tables = m.ram.alloc(kTables, 4096);
        data = m.ram.alloc(kData, 4096);
        bring_up();
    }
    ~Attacker()
    {
        scribble_beside(false);
        m.set_status(0);
    }

    /* One thing that a driver may do to a device; `events` counts them. */
    void step()
    {
        Queue &q = queues[random() % queues.size()];

        events++;
        switch (random() % 32) {
        default:
            add_chain(q);
            break;
        case 18 ... 25:
            knock(q, random() % 8 == 0);
            break;
        case 26:
            scribble(random);
            break;
        case 27:
            touch_registers();
            break;
        case 28:
            touch_configuration();
            break;
        case 29:
            jump(q);
            break;
        case 30:
            if (random() % 16 == 0) {
                pause();
            }
            break;
        case 31:
            if (random() % 8 == 0 || stuck > 16 || (m.status() & VIRTIO_NEEDS_RESET)) {
                needed_resets += !!(m.status() & VIRTIO_NEEDS_RESET);
                bring_up();
            }
            break;
        }
    }

    /* Another thread that writes into the rings and knocks, all the time. */
    void scribble_beside(bool on)
    {
        stop = !on;
        if (on && !beside.joinable()) {
            beside = std::thread([this] {
                std::mt19937_64 other(random());

                while (!stop) {
                    scribble(other);
                    m.kick((unsigned)(other() % queues.size()));
                    std::this_thread::sleep_for(std::chrono::microseconds(20));
                }
            });
        } else if (!on && beside.joinable()) {
            beside.join();
        }
    }

    uint64_t events = 0, used = 0, needed_resets = 0;

  private:
    static constexpr size_t kTables = 16 * 1024, kData = 256 << 10, kHeader = 128;

    struct Queue {
        uint64_t desc, driver, device;
        uint16_t size = 16;
        uint16_t avail = 0, last_used = 0; /* packed: `avail` is an index below the size */
        bool wrap = true;
    };

    struct RawDesc {
        uint64_t addr;
        uint32_t len;
        uint16_t flags, next; /* next: the id in packed rings */
    };

    void bring_up()
    {
        uint64_t features = m.offered() & ~(random() % 4 ? 0 : UINT64_C(1) << random() % 64);

        stuck = 0;
        m.set_status(0);
        features = m.setup.event ? features : features & ~VIRTIO_F_EVENT_INDEX;
        features = m.setup.indirect ? features : features & ~VIRTIO_F_INDIRECT;
        packed = features & VIRTIO_F_PACKED;
        m.set_status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
        m.accept(features | VIRTIO_F_VERSION_1);
        m.set_status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
        for (unsigned i = 0; i < queues.size(); i++) {
            Queue &q = queues[i];
            static const uint16_t sizes[] = { 1, 2, 4, 16, 64, 128, 256, 3, 0, 257 };
            uint16_t size = sizes[random() % 40 ? random() % 6 : random() % 10];

            used += packed ? 0 : m.ram.get<uint16_t>(q.device + 2);
            q = { q.desc, q.driver, q.device, size };
            fill(q.desc, 16 * RING_MAX);
            fill(q.driver, 4096);
            fill(q.device, 4096);
            m.place_queue(i, size, q.desc, q.driver, q.device);
        }
        m.set_status(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
    }

    void fill(uint64_t at, size_t size)
    {
        for (uint64_t end = at + size; at < end; at += 8) {
            m.ram.put<uint64_t>(at, 0);
        }
    }

    uint64_t address()
    {
        static const uint64_t odd[] = { 0,
                                        0x10000000,
                                        kRam - 1,
                                        kRam + kRamSize - 4,
                                        kRam + kRamSize,
                                        UINT64_MAX - 3,
                                        UINT64_C(1) << 63 };
        switch (random() % 256) {
        case 0:
            return odd[random() % 7];
        case 1: /* a ring, or a table: the device changes what it reads */
            return queues[random() % queues.size()].desc + random() % 0x3000;
        case 2:
            return tables + random() % kTables;
        default:
            return data + random() % (kData - 0x2000);
        }
    }

    uint32_t length()
    {
        switch (random() % 256) {
        case 0:
            return (uint32_t)random();
        case 1:
            return UINT32_MAX;
        case 2:
            return 0;
        default:
            return (uint32_t)(random() % 3 ? random() % 64 : random() % 0x2000);
        }
    }

    RawDesc part(bool in)
    {
        RawDesc d = { address(), length(), (uint16_t)(in ? kWrite : 0), 0 };

        if (!in && d.addr >= data && d.addr < data + kData - kHeader) {
            size_t wanted = header(random, m.ram.at(d.addr), kHeader);

            d.len = wanted && random() % 8 ? (uint32_t)wanted : d.len;
        }
        if (random() % 128 == 0) {
            d.flags ^= (uint16_t)(1u << random() % 16);
        }
        return d;
    }

    /* A status or a header that a device asks for comes first or last. */
    std::vector<RawDesc> parts()
    {
        unsigned out = (unsigned)(random() % 4), in = (unsigned)(random() % 4);
        std::vector<RawDesc> all;

        if (random() % 512 == 0) {
            out += 260;
        }
        for (unsigned i = 0; i < out + in; i++) {
            all.push_back(part(i >= out));
        }
        return all;
    }

    void put(uint64_t at, const RawDesc &d)
    {
        uint16_t w12 = packed ? d.next : d.flags, w14 = packed ? d.flags : d.next;

        m.ram.put<uint64_t>(at, d.addr);
        m.ram.put<uint64_t>(at + 8, d.len | (uint64_t)w12 << 32 | (uint64_t)w14 << 48);
    }

    /* One descriptor that names a table of them. */
    std::vector<RawDesc> indirect(std::vector<RawDesc> all)
    {
        uint64_t table = tables + random() % (kTables / 16 - 512) * 16;
        uint32_t bytes = (uint32_t)(16 * all.size());

        for (size_t i = 0; i < all.size(); i++) {
            bool last = i + 1 == all.size();

            all[i].flags |= last ? 0 : kNext;
            all[i].next = (uint16_t)(random() % 64 ? i + 1 : random());
            put(table + 16 * i, all[i]);
        }
        if (random() % 64 == 0) {
            bytes = random() % 2 ? bytes + 8 : (uint32_t)random();
        }
        return { { table, bytes, kIndirect, 0 } };
    }

    void add_chain(Queue &q)
    {
        std::vector<RawDesc> all = parts();

        if (q.size == 0 || q.size > RING_MAX) {
            return;
        }
        if (m.setup.indirect && random() % 2 && !all.empty()) {
            std::vector<RawDesc> tail = indirect({ all.end() - 1, all.end() });

            if (random() % 8) {
                all = indirect(all);
            } else { /* some parts, then a table */
                all.back() = tail[0];
            }
        }
        if (all.size() > q.size && random() % 64) {
            all.resize(q.size);
        }
        packed ? add_packed(q, all) : add_split(q, all);
    }

    void add_split(Queue &q, std::vector<RawDesc> &all)
    {
        uint16_t head = (uint16_t)(random() % q.size), at = head;

        if (is_full(q) && random() % 256) {
            knock(q, true);
            return; /* full */
        }
        for (size_t i = 0; i < all.size(); i++) {
            uint16_t next = (uint16_t)((at + 1) % q.size);

            all[i].flags |= i + 1 < all.size() ? kNext : 0;
            all[i].next = (uint16_t)(random() % 128 ? next : random() % (2 * q.size));
            put(q.desc + 16 * at, all[i]);
            at = next;
        }
        m.ram.put<uint16_t>(q.driver + 4 + 2 * (q.avail % q.size),
                            (uint16_t)(random() % 512 ? head : random()));
        m.ram.put<uint16_t>(q.driver + 2, ++q.avail);
    }

    void add_packed(Queue &q, std::vector<RawDesc> &all)
    {
        uint16_t head = q.avail, head_flags = 0;
        uint16_t flags = m.ram.get<uint16_t>(q.desc + 16 * q.avail + 14);

        if (is_full(q) && random() % 256) {
            knock(q, true);
            return; /* full */
        }
        used += !!(flags & kUsed);
        for (size_t i = 0; i < all.size(); i++) {
            all[i].flags |= i + 1 < all.size() ? kNext : 0;
            all[i].flags |= q.wrap ? kAvail : kUsed;
            all[i].next = (uint16_t)random();
            if (i == 0) {
                head_flags = all[i].flags;
                all[i].flags ^= kAvail | kUsed;
            }
            put(q.desc + 16 * q.avail, all[i]);
            q.avail = (uint16_t)(q.avail + 1);
            q.wrap ^= q.avail >= q.size;
            q.avail %= q.size;
        }
        if (!all.empty()) {
            m.ram.put<uint16_t>(q.desc + 16 * head + 14, head_flags);
        }
    }

    bool is_full(const Queue &q)
    {
        uint16_t flags;

        if (!packed) {
            return (uint16_t)(q.avail - m.ram.get<uint16_t>(q.device + 2)) >= q.size;
        }
        flags = m.ram.get<uint16_t>(q.desc + 16 * q.avail + 14);
        return !!(flags & kAvail) != !!(flags & kUsed);
    }

    /* `wait`: gives the device some time to serve the queue. */
    void knock(const Queue &q, bool wait)
    {
        m.kick((unsigned)(&q - &queues[0]));
        if (wait && is_full(q)) {
            std::this_thread::sleep_for(std::chrono::microseconds(20));
            stuck += is_full(q);
        }
    }

    /* The index goes somewhere else. */
    void jump(Queue &q)
    {
        if (random() % 64 == 0) {
            q.avail = (uint16_t)(packed && q.size ? random() % q.size : random());
            m.ram.put<uint16_t>(q.driver + 2, (uint16_t)random());
        }
        m.ram.put<uint16_t>(q.driver, (uint16_t)(random() % 4));
    }

    /* A word of the rings or of the tables. */
    void scribble(std::mt19937_64 &r)
    {
        const Queue &q = queues[r() % queues.size()];
        uint64_t where[] = { q.desc + r() % (16 * 64), q.driver + r() % 64, q.device + r() % 64,
                             tables + r() % kTables, q.desc + r() % (16 * 64) };
        uint64_t at = where[r() % 5] & ~UINT64_C(1);

        if (r() % 8 == 0) {
            m.ram.put<uint16_t>(at, (uint16_t)(r() % 2 ? r() : r() % 16));
        }
    }

    /* One register of the transport. */
    void touch_registers()
    {
        if (m.setup.pci && random() % 4 == 0) {
            touch_function();
            return;
        }

        static const unsigned mmio[] = { 0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64, 0x70, 0x80,
                                         0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac, 0xc0, 0xfc };
        unsigned size = 1u << random() % 4;
        uint64_t value = random() % 4 ? random() % 32 : random(), v;
        uint64_t at = m.setup.pci ? Machine::kBar + random() % 0x4000 / size * size
                                  : Machine::kBase + mmio[random() % 18];

        if (m.setup.pci && random() % 4) {
            at = Machine::kBar + random() % 0x40 / size * size;
        }
        if (at == Machine::kBase + 0x70 || at == Machine::kBar + 0x14) {
            value = random() % 8 ? value | 15 : value;
        }
        (void)!phys_load(m.ram.mem, at, m.setup.pci ? size : 4, &v);
        (void)!phys_store(m.ram.mem, at, m.setup.pci ? size : 4, value);
    }

    /* The function's configuration space: the window to the BAR that is there, mostly. */
    void touch_function()
    {
        static const unsigned window[] = { 4, 8, 12, 16 };
        unsigned last = 0x34, size = 1u << random() % 3;
        uint64_t v;

        while (m.read_config(last, 1) && random() % 16) {
            last = (unsigned)m.read_config(last, 1) + 1;
        }
        last -= last == 0x34 ? 0 : 1;
        for (unsigned part : window) {
            uint64_t value = part == 4    ? random() % 8 == 0
                             : part == 8  ? random() % 0x4000 & ~UINT64_C(3)
                             : part == 12 ? UINT64_C(1) << random() % 4
                                          : random();

            m.write_config(last + part, random() % 8 ? value : random(), 4);
        }
        (void)m.read_config(last + 16, 4);
        if (random() % 4 == 0) { /* anywhere else, but for what says where the BAR is */
            uint64_t at = 0x20000000 + (1 << 15) + random() % 0x1000 / size * size;

            (void)!phys_load(m.ram.mem, at, size, &v);
            if (at % 0x1000 < 0x10 || at % 0x1000 >= 0x14) {
                (void)!phys_store(m.ram.mem, at, size, random());
            }
            m.enable_bus();
        }
        (void)m.take_isr();
    }

    void touch_configuration()
    {
        unsigned size = 1u << random() % 4;
        uint64_t at = (m.setup.pci ? Machine::kBar + 0x2000 : Machine::kBase + 0x100), v;

        at += random() % 80 / size * size;
        (void)!phys_load(m.ram.mem, at, size, &v);
        (void)!phys_store(m.ram.mem, at, size, random());
    }

    void pause()
    {
        virtio_pause(m.virtio(), true);
        virtio_pause(m.virtio(), false);
    }

    Machine &m;
    Header header;
    std::mt19937_64 random;
    std::vector<Queue> queues;
    uint64_t tables, data;
    bool packed = false;
    unsigned stuck = 0; /* times that a queue was full for long */
    std::atomic<bool> stop{ true };
    std::thread beside;
};

} // namespace virtio_test

#endif
