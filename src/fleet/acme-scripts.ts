/** Scripts for certificates of a fleet: leases with fencing numbers, and what only the holder of the newest one may write. */

/**
 * KEYS: lease, last fencing number, host. ARGV: owner, milliseconds. The number is the store's time, or one more than the last:
 * it grows also after the store has lost its data. Returns nothing while another has the lease, else the number, then order and
 * failure of the host, the age of the failure, and the certificate.
 */
export const takeScript = `
if type(redis.pcall('GET', KEYS[1])) == 'string' then return {} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.pcall('GET', KEYS[2])
last = type(last) == 'string' and tonumber(last) or 0
local fence = string.format('%.0f', math.max(now, last + 1))
if type(redis.pcall('HLEN', KEYS[3])) ~= 'number' then redis.call('DEL', KEYS[3]) end
redis.call('SET', KEYS[2], fence)
redis.call('SET', KEYS[1], fence .. ' ' .. ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[3], 'fence', fence)
local failedAt = tonumber(redis.call('HGET', KEYS[3], 'failedAt') or '') or now
return {fence, redis.call('HGET', KEYS[3], 'order') or '', redis.call('HGET', KEYS[3], 'failure') or '',
  math.max(0, now - failedAt), redis.call('HGET', KEYS[3], 'certificate') or ''}`;

/** KEYS: lease. ARGV: its content, milliseconds. Returns 1, or 0 if the lease is another's or over. */
export const renewScript = `
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

/** KEYS: lease. ARGV: its content. */
export const releaseScript = `
if redis.pcall('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`;

/**
 * KEYS: host. ARGV: fencing number, then fields and values; an empty value removes the field. The field failedAt gets the store's
 * time. Returns 1, or 0 if there was a newer lease: then nothing is written.
 */
export const writeScript = `
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or '') or 0
if fence > tonumber(ARGV[1]) then return 0 end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
for index = 2, #ARGV, 2 do
  local value = ARGV[index + 1]
  if ARGV[index] == 'failedAt' then value = now end
  if value == '' then redis.call('HDEL', KEYS[1], ARGV[index]) else redis.call('HSET', KEYS[1], ARGV[index], value) end
end
return 1`;

/**
 * For a certificate that a balancer has and the store may have lost. KEYS: host. ARGV: begin of its validity, mark, certificate.
 * Returns 1, or 0 if the store has one that is as new.
 */
export const offerScript = `
if type(redis.pcall('HLEN', KEYS[1])) ~= 'number' then redis.call('DEL', KEYS[1]) end
local from = tonumber(redis.call('HGET', KEYS[1], 'from') or '')
if from and from >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'from', ARGV[1], 'mark', ARGV[2], 'certificate', ARGV[3])
return 1`;

/**
 * KEYS: open challenges, then hosts. ARGV: milliseconds after which a challenge is over. Returns the challenges as one list of
 * names and contents, then mark and begin of validity for each host.
 */
export const lookScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local open = {}
local all = redis.pcall('HGETALL', KEYS[1])
if all.err then redis.call('DEL', KEYS[1]) all = {} end
for index = 1, #all, 2 do
  local at, content = string.match(all[index + 1], '^(%d+) (.*)$')
  if not at or now - at > tonumber(ARGV[1]) then redis.call('HDEL', KEYS[1], all[index])
  else
    open[#open + 1] = all[index]
    open[#open + 1] = content
  end
end
local found = {open}
for index = 2, #KEYS do
  local mark, from = redis.pcall('HGET', KEYS[index], 'mark'), redis.pcall('HGET', KEYS[index], 'from')
  found[#found + 1] = type(mark) == 'string' and mark or ''
  found[#found + 1] = type(from) == 'string' and from or ''
end
return found`;

/** KEYS: host. Returns its certificate. */
export const readScript = `
local found = redis.pcall('HGET', KEYS[1], 'certificate')
return type(found) == 'string' and found or ''`;

/** KEYS: open challenges, those who have seen it. ARGV: name, content, limit on challenges. Returns 1, or 0 if there are too many. */
export const addChallengeScript = `
if type(redis.pcall('HLEN', KEYS[1])) ~= 'number' then redis.call('DEL', KEYS[1]) end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
return 1`;

/** KEYS: open challenges, those who have seen it. ARGV: name. */
export const removeChallengeScript = `
redis.pcall('HDEL', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2])`;

/** KEYS: those who have seen a challenge. ARGV: a balancer, milliseconds. Returns how many have. */
export const seenScript = `
if type(redis.pcall('SCARD', KEYS[1])) ~= 'number' then redis.call('DEL', KEYS[1]) end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('SCARD', KEYS[1])`;
