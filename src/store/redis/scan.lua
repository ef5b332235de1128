-- A page of a partition's items, in one snapshot.
--
-- KEYS  the index of the partition's items
-- ARGV  from and up to (as ZRANGEBYLEX takes them), limit, now (ms), what stands before a name in a key, names to look at
--
-- Answers three things: the name to go on after, or '' at the end; name and record of each live item, alternating; the
-- names that stand in the index without a record. The last are reported, not removed: only prune.lua, which declares
-- their keys, can tell "gone" from "moving to another node".

local NEVER = '----------------'

local limit, now, stem, most = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, most)
local live, vanished, count = {}, {}, 0

for i, name in ipairs(names) do
  local record = redis.call('GET', stem .. name)
  if not record then
    vanished[#vanished + 1] = name
  else
    local expiry = string.sub(record, 18, 33)
    if expiry == NEVER or now < tonumber(expiry) then
      count = count + 1
      live[2 * count - 1] = name
      live[2 * count] = record
      if count == limit then
        return { name, live, vanished }
      end
    end
  end
end
if #names < most then
  return { '', live, vanished }
end
return { names[#names], live, vanished }
