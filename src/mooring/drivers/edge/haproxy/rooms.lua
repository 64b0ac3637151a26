-- The two rooms inside HAProxy through which a few requests go on their way: the waiting room and the counting room.
--
-- The waiting room holds a request until its route has an instance that accepts connections, or its time is up. The counting room ends
-- a request whose body, of undeclared length, becomes larger than its route allows. The environment tells where the routes' map is, and how many may wait.

local routes = Map.new(os.getenv("MOORING_EDGE_ROUTES"), Map._beg)
local waited_for = os.getenv("MOORING_EDGE_WAITED")
local most = tonumber(os.getenv("MOORING_EDGE_HELD"))
local LOOK_EVERY = 20 -- milliseconds
local NOTED_EVERY = 50 -- looks: a word that was lost is said again
local ROOM = "x-mooring-room" -- on a request that has been here: until when it may wait, in milliseconds of the wall

local waiting = {} -- who waits -> when it looked last: one whose client has left is stopped without a word
local seen = {} -- backend -> {when, how many of its servers are up}: those who wait for one backend look together

local function now()
  local time = core.now()
  return time.sec * 1000 + time.usec // 1000
end

local function servers_up(name)
  local last = seen[name]
  if last == nil or now() - last[1] >= LOOK_EVERY // 2 then
    local backend = core.backends[name]
    last = { now(), backend and tonumber(backend:get_stats()["act"]) or 0 }
    seen[name] = last
  end
  return last[2]
end

-- Somebody waits for this environment: the controller takes the file away and wakes it, if it sleeps.
local function note(route)
  local file = io.open(waited_for .. "/" .. route:match("^[^/]*"), "a")
  if file ~= nil then
    file:close()
  end
end

-- Of an app that sleeps a browser is shown the page at once, which loads again by itself.
local function patience(txn, route)
  local hold, wakes = tonumber(route[7]), tonumber(route[12]) or 0
  if wakes == 0 then
    return hold
  end
  local accept = txn:get_var("txn.accept")
  if accept ~= nil and accept:lower():find("text/html", 1, true) then
    return 0
  end
  return math.max(hold, wakes)
end

-- backend|route|flags|largest body|request timeout|stream timeout|hold|page|hsts|user:digest|networks|wakes: as maps.py writes it
local function fields(value)
  local found = {}
  for field in (value .. "|"):gmatch("([^|]*)|") do
    found[#found + 1] = field
  end
  return found
end

local function until_when(txn, hold)
  local earlier = txn.http:req_get_headers()[ROOM]
  if earlier ~= nil then
    return tonumber(earlier[0]) or 0
  end
  local deadline = now() + hold
  txn.http:req_add_header(ROOM, tostring(deadline))
  return deadline
end

local function answer(txn, page)
  txn:set_var("txn.page", page)
end

local function count_waiting()
  local count, since = 0, now() - 20 * LOOK_EVERY
  for who, looked in pairs(waiting) do
    if looked < since then
      waiting[who] = nil
    else
      count = count + 1
    end
  end
  return count
end

local function wait(txn, key)
  local deadline, began, is_counted, looks = nil, now(), false, 0
  while true do
    local value = routes:lookup(key)
    if value == nil or value == "-" then
      return answer(txn, "no-such-app")
    end
    local route = fields(value)
    if route[3]:find("m", 1, true) then
      return answer(txn, "maintenance")
    end
    deadline = deadline or until_when(txn, patience(txn, route))
    if servers_up(route[1]) > 0 then
      txn:set_var("txn.value", value)
      txn:set_var("txn.waited", now() - began)
      txn:set_var("txn.is_ready", true)
      return
    end
    if looks % NOTED_EVERY == 0 then
      note(route[2])
    end
    looks = looks + 1
    if now() >= deadline then
      return answer(txn, route[8])
    end
    if not is_counted and count_waiting() >= most then
      return answer(txn, "too-many-waiting")
    end
    is_counted = true
    waiting[txn] = now()
    core.msleep(LOOK_EVERY)
  end
end

core.register_action("wait_for_an_instance", { "http-req" }, function(txn)
  local is_well, failure = pcall(wait, txn, txn:get_var("txn.key"))
  waiting[txn] = nil
  if not is_well then
    core.Warning("the waiting room failed: " .. tostring(failure))
    answer(txn, "starting")
  end
end, 0)

-- Whether the address that connected is in one of the route's networks. What goes wrong here lets nobody in.
core.register_action("look_whence", { "http-req" }, function(txn)
  local whence = core.parse_addr(txn.sf:src())
  for network in (txn:get_var("txn.networks") or ""):gmatch("[^,]+") do
    if core.match_addr(whence, core.parse_addr(network)) then
      txn:set_var("txn.is_near", true)
      return
    end
  end
end, 0)

local Counting = {}
Counting.__index = Counting
Counting.id = "counting room"
Counting.flags = filter.FLT_CFG_FL_HTX

function Counting:new()
  return setmetatable({ passed = 0 }, Counting)
end

function Counting:start_analyze(txn, channel)
  if not channel:is_resp() then
    filter.register_data_filter(self, channel)
  end
end

function Counting:http_payload(txn, message)
  local size = message:input()
  self.largest = self.largest or tonumber(txn:get_var("txn.largest"))
  self.passed = self.passed + size
  if self.largest ~= nil and self.passed > self.largest then
    error("the body is larger than its route allows")
  end
  return size
end

core.register_filter("count", Counting, function(counting, args)
  return counting
end)
