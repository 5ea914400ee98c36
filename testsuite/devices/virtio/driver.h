/* SPDX-License-Identifier: Apache-2.0 */
/* A driver's side of virtqueues, both formats, and a guest's RAM for it to be in. */
#ifndef KETCH_TESTSUITE_DEVICES_VIRTIO_DRIVER_H
#define KETCH_TESTSUITE_DEVICES_VIRTIO_DRIVER_H

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include "softmmu/physmem.h"
}

namespace virtio_test
{

constexpr uint64_t kRam = 0x80000000, kRamSize = 16 << 20;

class GuestRam
{
  public:
    GuestRam() : mem(phys_new()), host(phys_alloc("test", kRamSize))
    {
        PhysRegion r = {};

        r.name = "ram";
        r.kind = PHYS_ram;
        r.base = kRam;
        r.size = kRamSize;
        r.host = host;
        EXPECT_NE(phys_add(mem, &r), nullptr);
    }
    ~GuestRam()
    {
        phys_free(mem);
    }
    GuestRam(const GuestRam &) = delete;

    uint64_t alloc(size_t size, size_t align = 64)
    {
        next = (next + align - 1) / align * align;
        uint64_t addr = next;
        next += size;
        EXPECT_LE(next, kRam + kRamSize);
        return addr;
    }
    uint8_t *at(uint64_t addr)
    {
        return host + (addr - kRam);
    }
    /* Outside of RAM: nothing happens. */
    template <typename T> void put(uint64_t addr, T value)
    {
        if (addr >= kRam && addr + sizeof(T) <= kRam + kRamSize) {
            __atomic_store_n((T *)at(addr), value, __ATOMIC_SEQ_CST);
        }
    }
    template <typename T> T get(uint64_t addr)
    {
        return __atomic_load_n((T *)at(addr), __ATOMIC_SEQ_CST);
    }
    uint64_t text(const std::string &bytes)
    {
        uint64_t addr = alloc(bytes.size() + 1);

        memcpy(at(addr), bytes.data(), bytes.size());
        return addr;
    }

    PhysMem *mem;
    uint8_t *host;
    uint64_t next = kRam + 0x1000;
};

struct Buffer {
    uint64_t addr;
    uint32_t size;
};

struct Used {
    uint16_t id;
    uint32_t written;
};

enum : uint16_t { kNext = 1, kWrite = 2, kIndirect = 4, kAvail = 1 << 7, kUsed = 1 << 15 };

class DriverQueue
{
  public:
    DriverQueue(GuestRam &ram, uint16_t size, bool event)
        : ram(ram), size(size), event(event), desc(ram.alloc(16 * size, 16))
    {
        driver = ram.alloc(6 + 2 * size, 4);
        device = ram.alloc(6 + 8 * size, 4);
        for (uint64_t at = desc; at < ram.next; at++) {
            ram.put<uint8_t>(at, 0);
        }
    }
    virtual ~DriverQueue() = default;

    /* The id that comes back. */
    virtual uint16_t add(const std::vector<Buffer> &out, const std::vector<Buffer> &in,
                         bool indirect = false) = 0;
    virtual std::optional<Used> take() = 0;
    virtual bool must_kick() = 0;      /* after add() */
    virtual void ask_signal(bool) = 0; /* for the next one used */
    virtual unsigned free_slots() = 0;

    GuestRam &ram;
    uint16_t size;
    bool event;
    uint64_t desc, driver, device;

  protected:
    void write_desc(uint64_t at, const Buffer &b, uint16_t w12, uint16_t w14)
    {
        ram.put<uint64_t>(at, b.addr);
        ram.put<uint32_t>(at + 8, b.size);
        ram.put<uint16_t>(at + 12, w12);
        ram.put<uint16_t>(at + 14, w14);
    }
};

class SplitDriver : public DriverQueue
{
  public:
    using DriverQueue::DriverQueue;

    uint16_t add(const std::vector<Buffer> &out, const std::vector<Buffer> &in,
                 bool indirect) override
    {
        std::vector<Buffer> all(out);
        size_t n;
        uint16_t head;

        all.insert(all.end(), in.begin(), in.end());
        n = all.size();
        if (indirect) {
            uint64_t table = ram.alloc(16 * n, 16);
            for (size_t i = 0; i < n; i++) {
                write_desc(table + 16 * i, all[i],
                           (i >= out.size() ? kWrite : 0) | (i + 1 < n ? kNext : 0),
                           (uint16_t)(i + 1));
            }
            head = grab();
            write_desc(desc + 16 * head, { table, (uint32_t)(16 * n) }, kIndirect, 0);
            chains[head] = { head };
        } else {
            std::vector<uint16_t> ids;
            for (size_t i = 0; i < n; i++) {
                ids.push_back(grab());
            }
            for (size_t i = 0; i < n; i++) {
                write_desc(desc + 16 * ids[i], all[i],
                           (i >= out.size() ? kWrite : 0) | (i + 1 < n ? kNext : 0),
                           i + 1 < n ? ids[i + 1] : 0);
            }
            head = ids[0];
            chains[head] = ids;
        }
        ram.put<uint16_t>(driver + 4 + 2 * (avail % size), head);
        ram.put<uint16_t>(driver + 2, ++avail);
        return head;
    }
    std::optional<Used> take() override
    {
        uint64_t entry = device + 4 + 8 * (used % size);
        Used u;

        if (ram.get<uint16_t>(device + 2) == used) {
            return {};
        }
        u = { (uint16_t)ram.get<uint32_t>(entry), ram.get<uint32_t>(entry + 4) };
        used++;
        for (uint16_t id : chains[u.id]) {
            busy.erase(id);
        }
        return u;
    }
    bool must_kick() override
    {
        uint16_t old = kicked;

        kicked = avail;
        if (!event) {
            return !(ram.get<uint16_t>(device) & 1);
        }
        uint16_t at = ram.get<uint16_t>(device + 4 + 8 * size);
        return (uint16_t)(avail - at - 1) < (uint16_t)(avail - old);
    }
    void ask_signal(bool wanted) override
    {
        if (!event) {
            ram.put<uint16_t>(driver, !wanted);
        } else if (wanted) {
            ram.put<uint16_t>(driver + 4 + 2 * size, used);
        } else {
            ram.put<uint16_t>(driver + 4 + 2 * size, (uint16_t)(used - 1));
        }
    }

    unsigned free_slots() override
    {
        return size - (unsigned)busy.size();
    }

    uint16_t avail = 0, used = 0, kicked = 0;

  private:
    uint16_t grab()
    {
        uint16_t id = 0;

        while (busy.count(id)) {
            id++;
        }
        EXPECT_LT(id, size);
        busy[id] = true;
        return id;
    }
    std::map<uint16_t, bool> busy;
    std::map<uint16_t, std::vector<uint16_t>> chains;
};

class PackedDriver : public DriverQueue
{
  public:
    using DriverQueue::DriverQueue;

    uint16_t add(const std::vector<Buffer> &out, const std::vector<Buffer> &in,
                 bool indirect) override
    {
        std::vector<Buffer> all(out);
        uint16_t head = at, head_flags = 0, id = next_id++ % 1000;

        all.insert(all.end(), in.begin(), in.end());
        if (indirect) {
            uint64_t table = ram.alloc(16 * all.size(), 16);
            for (size_t i = 0; i < all.size(); i++) {
                write_desc(table + 16 * i, all[i], 0, i >= out.size() ? kWrite : 0);
            }
            all = { { table, (uint32_t)(16 * all.size()) } };
        }
        for (size_t i = 0; i < all.size(); i++) {
            uint16_t flags = (wrap ? kAvail : kUsed) | (i + 1 < all.size() ? kNext : 0);

            flags |= indirect ? kIndirect : i >= out.size() ? kWrite : 0;
            if (i == 0) {
                head_flags = flags;
                flags ^= kAvail | kUsed;
            }
            write_desc(desc + 16 * at, all[i], id, flags);
            step(at, wrap, 1);
        }
        slots[id] = (uint16_t)all.size();
        kick_slots += (unsigned)all.size();
        held += (unsigned)all.size();
        ram.put<uint16_t>(desc + 16 * head + 14, head_flags);
        return id;
    }
    std::optional<Used> take() override
    {
        uint16_t flags = ram.get<uint16_t>(desc + 16 * used_at + 14);
        Used u;

        if (!!(flags & kUsed) != used_wrap || !!(flags & kAvail) != used_wrap) {
            return {};
        }
        u = { ram.get<uint16_t>(desc + 16 * used_at + 12), ram.get<uint32_t>(desc + 16 * used_at + 8) };
        step(used_at, used_wrap, slots[u.id]);
        held -= slots[u.id];
        return u;
    }
    bool must_kick() override
    {
        uint16_t where = ram.get<uint16_t>(device), flags = ram.get<uint16_t>(device + 2);
        unsigned added = kick_slots;
        unsigned now = at + (!!(where & 0x8000) == wrap ? 0 : size);

        kick_slots = 0;
        if (flags != 2) {
            return flags == 0;
        }
        where &= 0x7fff;
        return where < now && now - where <= added;
    }
    void ask_signal(bool wanted) override
    {
        if (event && wanted) {
            ram.put<uint16_t>(driver, (uint16_t)(used_at | used_wrap << 15));
        }
        ram.put<uint16_t>(driver + 2, !wanted ? 1 : event ? 2 : 0);
    }

    unsigned free_slots() override
    {
        return size - held;
    }

    uint16_t at = 0, used_at = 0;
    bool wrap = true, used_wrap = true;

  private:
    void step(uint16_t &index, bool &w, unsigned by)
    {
        w ^= index + by >= size;
        index = (uint16_t)((index + by) % size);
    }
    unsigned kick_slots = 0, held = 0;
    uint16_t next_id = 7;
    std::map<uint16_t, uint16_t> slots;
};

inline std::unique_ptr<DriverQueue> make_queue(GuestRam &ram, bool packed, uint16_t size, bool event)
{
    if (packed) {
        return std::make_unique<PackedDriver>(ram, size, event);
    }
    return std::make_unique<SplitDriver>(ram, size, event);
}

} // namespace virtio_test

#endif
