-- Takes names out of the index whose records Redis has removed.
--
-- KEYS  the index of the partition's items, then the keys of the records; all declared, so that Redis Cluster refuses
--       while they are moving
-- ARGV  the names of the records
--
-- Answers how many of the records are there after all.

local present = 0
for i, name in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 1 then
    present = present + 1
  else
    redis.call('ZREM', KEYS[1], name)
  end
end
return present
