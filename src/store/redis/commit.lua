-- One commit: all of it, or nothing. Every key is declared, since Redis Cluster refuses a script whose keys are about to
-- move only when it knows them; a script that did not declare them would take them for absent.
--
-- KEYS  the index of the partition's items, then the keys of checks, deletes, puts and adds, in this order
-- ARGV  now (ms), version (16 hex digits), number of checks, deletes, puts, adds; then
--       for each check: the version that must be there, or '' for absent
--       for each delete: its name in the index, or ''
--       for each put: its name in the index, or ''; its time to live (ms), or ''; its record after the version
--       for each add: the difference
--
-- A record is '1', its version (16 hex digits), its expiry (16 characters, dashes for never), its value.
-- Versions are only compared, never computed with: Lua's numbers would round them.
--
-- Answers 1 for committed, 0 for conflict, -1 when a counter would grow too large.

local NEVER = '----------------'
local LARGEST = 9000000000000000

local index, now, version = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local checks, deletes, puts, adds = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local key, arg = 1, 6

for i = 1, checks do
  local header = redis.call('GETRANGE', KEYS[key + i], 0, 32)
  local found = ''
  if header ~= '' then
    local expiry = string.sub(header, 18)
    if expiry == NEVER or now < tonumber(expiry) then
      found = string.sub(header, 2, 17)
    end
  end
  if found ~= ARGV[arg + i] then
    return 0
  end
end
key, arg = key + checks, arg + checks

-- An error after the first write would leave half a commit, so what can be refused is refused here.
local first_add, first_delta = key + deletes + puts, arg + deletes + 3 * puts
for i = 1, adds do
  local total = tonumber(redis.call('GET', KEYS[first_add + i]) or '0') + tonumber(ARGV[first_delta + i])
  if total > LARGEST or total < -LARGEST then
    return -1
  end
end

for i = 1, deletes do
  redis.call('DEL', KEYS[key + i])
  if ARGV[arg + i] ~= '' then
    redis.call('ZREM', index, ARGV[arg + i])
  end
end
key, arg = key + deletes, arg + deletes

local longest, forever, left = 0, false, nil
for i = 1, puts do
  local name, ttl = ARGV[arg + 3 * i - 2], ARGV[arg + 3 * i - 1]
  local record = '1' .. version .. ARGV[arg + 3 * i]
  if ttl == '' then
    redis.call('SET', KEYS[key + i], record)
  else
    redis.call('SET', KEYS[key + i], record, 'PX', ttl)
  end
  if name ~= '' then
    left = left or redis.call('PTTL', index)
    redis.call('ZADD', index, 0, name)
    if ttl == '' then
      forever = true
    else
      longest = math.max(longest, tonumber(ttl))
    end
  end
end

-- The index lives as long as the longest-lived item that was ever put, so it is never missing and does not stay behind.
if left and forever then
  redis.call('PERSIST', index)
elseif left and (left == -2 or (left >= 0 and left < longest)) then
  redis.call('PEXPIRE', index, string.format('%.0f', longest))
end

for i = 1, adds do
  redis.call('INCRBY', KEYS[first_add + i], ARGV[first_delta + i])
end
return 1
