-- SPDX-License-Identifier: MIT
-- lua: binary trees, a table of records and a string built from pieces.
local part = tonumber(arg[1])

local function tree(depth)
	if depth == 0 then return {} end
	return { tree(depth - 1), tree(depth - 1), depth }
end

local function count(node)
	return node[1] and 1 + count(node[1]) + count(node[2]) or 1
end

local keep, total = tree(15), 0
for i = 1, 40 // part do
	total = total + count(tree(8 + i % 7))
end

local records, words = {}, {}
for i = 1, 200000 // part do
	records["key" .. i % (50000 // part)] = { id = i, name = "name " .. i, tags = { i % 3, i % 5 } }
	words[#words + 1] = tostring(i * 7919 % 1000)
end
print(total, count(keep), #table.concat(words, " "), records.key77.name)
