-- Takes units of a quota, or gives them back, in one step that nothing comes between.
--
-- KEYS: the counter, the closed buckets of a rolling window, the answer to a deduplication id.
-- ARGV: algorithm, units (negative: to give back), "1" if part of them will do, limit, window,
--       bucket, burst, "1" if there is a deduplication id. Times are microseconds.
-- Returns: units granted or given back, how long that holds, what remains, how long until more
-- comes back, and until all has.
--
-- The time is that of the server, so that all who share a quota share a clock.

local counter, buckets, answered = KEYS[1], KEYS[2], KEYS[3]
local algorithm, amount, part_will_do = ARGV[1], tonumber(ARGV[2]), ARGV[3] == "1"
local limit, window = tonumber(ARGV[4]), tonumber(ARGV[5])
local bucket, burst, deduplicates = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == "1"
local clock = redis.call("TIME")
local now = clock[1] * 1000000 + clock[2]

local function exact(number)
  return string.format("%.17g", number)
end

local function milliseconds(time)
  return string.format("%d", math.ceil(time / 1000))
end

-- What is granted of what is left, or given back of what was used.
local function granted_of(left, used)
  if amount < 0 then return math.max(amount, -used) end
  if amount <= left then return amount end
  if part_will_do and left > 0 then return left end
  return 0
end

local function fixed_window()
  local state = redis.call("HMGET", counter, "used", "ends")
  local used, ends = tonumber(state[1]) or 0, tonumber(state[2]) or 0
  if now >= ends then used, ends = 0, now + window end
  local granted = granted_of(limit - used, used)
  if granted ~= 0 then
    used = used + granted
    redis.call("HSET", counter, "used", exact(used), "ends", exact(ends))
    redis.call("PEXPIREAT", counter, milliseconds(ends))
  end
  local rest = used > 0 and ends - now or 0
  return granted, ends - now, limit - used, rest, rest
end

-- Gives back up to so many units, those taken last first.
local function release(units, state)
  local left = units
  local open = math.min(left, state.taken)
  state.taken, left = state.taken - open, left - open
  while left > 0 do
    local newest = redis.call("ZREVRANGE", buckets, 0, 0, "WITHSCORES")
    if not newest[1] then break end
    redis.call("ZREM", buckets, newest[1])
    local taken = tonumber(string.match(newest[1], ":(.+)$"))
    local some = math.min(left, taken)
    left = left - some
    if taken > some then
      redis.call("ZADD", buckets, newest[2], newest[2] .. ":" .. exact(taken - some))
    end
  end
end

local function rolling_window()
  local found = redis.call("HMGET", counter, "used", "opened", "taken")
  local used = tonumber(found[1]) or 0
  local state = { opened = tonumber(found[2]) or now, taken = tonumber(found[3]) or 0 }
  if now - state.opened + 1 > bucket then
    if state.taken > 0 then
      local score = exact(state.opened)
      redis.call("ZADD", buckets, score, score .. ":" .. exact(state.taken))
    end
    state.opened, state.taken = now, 0
  end
  local gone = redis.call("ZRANGEBYSCORE", buckets, "-inf", exact(now - window))
  for _, member in ipairs(gone) do
    used = used - tonumber(string.match(member, ":(.+)$"))
    redis.call("ZREM", buckets, member)
  end
  local granted = granted_of(limit - used, used)
  if granted > 0 then
    state.taken = state.taken + granted
  elseif granted < 0 then
    release(-granted, state)
  end
  used = used + granted
  redis.call("HSET", counter, "used", exact(used), "opened", exact(state.opened), "taken", exact(state.taken))
  redis.call("PEXPIREAT", counter, milliseconds(now + window + bucket))
  redis.call("PEXPIREAT", buckets, milliseconds(now + window + bucket))
  local more, all = 0, 0
  if used > 0 then
    local oldest = redis.call("ZRANGE", buckets, 0, 0, "WITHSCORES")
    more = (tonumber(oldest[2]) or state.opened) + window - now
    local newest = redis.call("ZREVRANGE", buckets, 0, 0, "WITHSCORES")
    all = (state.taken > 0 and state.opened or tonumber(newest[2]) or state.opened) + window - now
  end
  return granted, window, limit - used, more, all
end

-- The generic cell rate algorithm: of the counter, only the time when all will be back is kept.
local function cell_rate()
  if limit <= 0 then return 0, 0, 0, 0, 0 end
  local unit = window / limit
  local back = math.max(tonumber(redis.call("GET", counter) or "") or now, now)
  local used = (back - now) / unit
  local granted = granted_of(math.floor(burst - used + 1e-9), math.ceil(used - 1e-9))
  if granted ~= 0 then
    back = math.max(back + granted * unit, now)
    redis.call("SET", counter, exact(back), "PXAT", milliseconds(back + 1000))
  end
  local free = burst - (back - now) / unit
  local remaining = math.floor(free + 1e-9)
  local more = back > now and (remaining + 1 - free) * unit or 0
  return granted, math.max(granted, 0) * unit, remaining, more, back - now
end

local algorithms = { FIXED_WINDOW = fixed_window, ROLLING_WINDOW = rolling_window }
if deduplicates and amount ~= 0 then
  local before = redis.call("HMGET", answered, "granted", "until")
  if before[1] then
    amount = 0
    local _, _, remaining, more, all = (algorithms[algorithm] or cell_rate)()
    local valid = math.max(tonumber(before[2]) - now, 0)
    return { math.abs(tonumber(before[1])), valid, math.max(remaining, 0), math.ceil(more), math.ceil(all) }
  end
end
local granted, valid, remaining, more, all = (algorithms[algorithm] or cell_rate)()
if granted <= 0 then valid = 0 end
if deduplicates and amount ~= 0 then
  redis.call("HSET", answered, "granted", exact(granted), "until", exact(now + valid))
  redis.call("PEXPIREAT", answered, milliseconds(now + math.max(valid, 1000000)))
end
return { math.abs(granted), math.ceil(valid), math.max(remaining, 0), math.ceil(more), math.ceil(all) }
