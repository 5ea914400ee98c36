-- SPDX-License-Identifier: Apache-2.0
-- Tables, closures, strings, integer and floating point loops.

local rounds = tonumber(arg[1])

local function queens(n)
    local columns, up, down, count = {}, {}, {}, 0
    local function place(row)
        if row > n then
            count = count + 1
            return
        end
        for c = 1, n do
            if not (columns[c] or up[row + c] or down[row - c]) then
                columns[c], up[row + c], down[row - c] = true, true, true
                place(row + 1)
                columns[c], up[row + c], down[row - c] = nil, nil, nil
            end
        end
    end
    place(1)
    return count
end

local function words(n)
    local count, seed, parts = {}, 1, {}
    for i = 1, n do
        seed = (seed * 1103515245 + 12345) % 2147483648
        local w = "w" .. seed % 211
        count[w] = (count[w] or 0) + 1
        parts[#parts + 1] = w
    end
    local text, hits = table.concat(parts, " "), 0
    for digits in text:gmatch("w(%d+)") do
        hits = hits + tonumber(digits) % 3
    end
    return hits
end

local function heat(n)
    local t = {}
    for i = 1, n do t[i] = i % 10 + 0.5 end
    for _ = 1, 50 do
        for i = 2, n - 1 do t[i] = (t[i - 1] + 2 * t[i] + t[i + 1]) / 4 end
    end
    return t[n // 2]
end

local q, w, h
for _ = 1, rounds do
    q, w, h = queens(7), words(20000), heat(1000)
end
print(q, w, string.format("%.9f", h))
