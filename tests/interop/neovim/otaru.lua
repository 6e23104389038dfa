-- Headless Neovim as a person would use it: opens a manifest, sees a problem, asks for hover and
-- completion, and starts an update through the question of the server. Ends with an error if
-- anything does not come.
local patience_ms = 240000

local function fail(what)
  io.stderr:write("failed: " .. what .. "\n")
  vim.cmd("cquit 1")
end

local function wait(what, condition)
  if not vim.wait(patience_ms, condition, 50) then fail("no " .. what) end
end

local questions, outcome, finished = {}, nil, {}
local handlers = {
  ["window/showMessageRequest"] = function(_, params)
    table.insert(questions, params.message)
    for _, action in ipairs(params.actions) do
      if action.title == "Start FOTA" then return action end
    end
    return vim.NIL
  end,
  ["otaru/jobEvent"] = function(_, event)
    if event.event.kind == "finished" then finished[event.verb] = event.event.outcome end
  end,
}

vim.cmd("edit Otaru.toml")
local id = vim.lsp.start_client({
  name = "otaru",
  cmd = { os.getenv("OTARU"), "lsp" },
  root_dir = vim.fn.getcwd(),
  handlers = handlers,
})
if not id then fail("the server does not start") end
vim.lsp.buf_attach_client(0, id)
wait("initialize", function()
  local client = vim.lsp.get_client_by_id(id)
  return client ~= nil and client.initialized
end)

local function request(method, params)
  local answered = vim.lsp.buf_request_sync(0, method, params, patience_ms)
  local answer = answered and answered[id]
  if not answer or answer.err or answer.error then fail(method .. ": " .. vim.inspect(answered)) end
  return answer.result
end

-- A typo is marked where it stands, and gone when it is repaired.
local lines = vim.api.nvim_buf_get_lines(0, 0, -1, false)
local board
for number, line in ipairs(lines) do
  if line:match("^board") then board = number end
end
vim.api.nvim_buf_set_lines(0, board - 1, board, false, { (lines[board]:gsub("board", "bord", 1)) })
wait("diagnostic", function()
  for _, found in ipairs(vim.diagnostic.get(0)) do
    if found.code == "unknown-key" and found.lnum == board - 1 then return true end
  end
end)
vim.api.nvim_buf_set_lines(0, board - 1, board, false, { lines[board] })
wait("end of the diagnostic", function()
  for _, found in ipairs(vim.diagnostic.get(0)) do
    if found.code == "unknown-key" then return false end
  end
  return true
end)

local at = { textDocument = vim.lsp.util.make_text_document_params(), position = { line = board - 1, character = 1 } }
local hover = request("textDocument/hover", at)
if not hover or not vim.inspect(hover):match("board") then fail("hover says " .. vim.inspect(hover)) end
local items = request("textDocument/completion",
  { textDocument = at.textDocument, position = { line = board - 1, character = #lines[board] - 1 } })
items = items.items or items
if #items == 0 then fail("no completion") end

-- The update: a command, the server's question, and the device's own word.
local started = request("workspace/executeCommand", { command = "otaru.fota", arguments = { vim.empty_dict() } })
if not started.job then fail("no job: " .. vim.inspect(started)) end
wait("end of the update", function()
  outcome = finished["run"] or (finished["plan"] and finished["plan"].kind ~= "done" and finished["plan"])
  return outcome
end)
if outcome.kind ~= "done" then fail(vim.inspect(outcome)) end
if #questions ~= 1 or not questions[1]:match("Update lamp over the air") then fail(vim.inspect(questions)) end
io.stdout:write(outcome.message .. "\n")
vim.lsp.stop_client(id)
vim.cmd("quitall!")
