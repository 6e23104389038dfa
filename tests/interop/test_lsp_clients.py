"""The language server as editors meet it that we did not write: pytest-lsp, which checks every
message against the specification, and headless Neovim. Real manager, real device.

Run by `cargo xtask test`; alone: `OTARU=target/debug/otaru $OTARU_VENV_PYTHON -m pytest
tests/interop/test_lsp_clients.py`.
"""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from lsprotocol import types
from pytest_lsp import LanguageClient, client_capabilities, make_test_lsp_client

from lsp_world import PATIENCE_S, World

HERE = Path(__file__).parent
VERSION = 'version = "1.0.0"'


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if "OTARU" not in os.environ:
        pytest.skip("needs OTARU, the program to test")
    world = World(tmp_path_factory.mktemp("lsp"))
    yield world
    world.close()


def field(answer, name):
    """A field of an answer that the client may have made an object of."""
    return answer[name] if isinstance(answer, dict) else getattr(answer, name)


class Editor:
    """A client, and what the server told it."""

    def __init__(self, world, kind="neovim"):
        self.world = world
        self.kind = kind
        self.client: LanguageClient = make_test_lsp_client()
        self.events = asyncio.Queue()
        self.seen = []
        self.questions = []
        self.answer = None

        @self.client.feature("otaru/jobEvent")
        def _(params):
            self.events.put_nowait(params)

        @self.client.feature("otaru/statusChanged")
        def _(params):
            pass

        @self.client.feature("window/showMessageRequest")
        def _(params: types.ShowMessageRequestParams):
            self.questions.append(params)
            for action in params.actions or []:
                if action.title == self.answer:
                    return action
            return None

    async def __aenter__(self):
        await self.client.start_io(self.world.otaru, "lsp", env=self.world.env)
        folder = types.WorkspaceFolder(uri=self.world.project.as_uri(), name="lamp")
        params = types.InitializeParams(
            capabilities=client_capabilities(self.kind), workspace_folders=[folder])
        self.result = await self.client.initialize_session(params)
        return self

    async def __aexit__(self, *_):
        await self.client.shutdown_session()
        await self.client.stop()

    @property
    def manifest(self):
        return (self.world.project / "Otaru.toml").as_uri()

    def open(self, text=None):
        text = text if text is not None else (self.world.project / "Otaru.toml").read_text()
        document = types.TextDocumentItem(uri=self.manifest, language_id="toml", version=1, text=text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=document))
        return text

    async def diagnostics(self, wanted):
        """The manifest's diagnostics as soon as `wanted` agrees."""
        async def agreed():
            while not wanted(self.client.diagnostics.get(self.manifest, [])):
                await self.client.wait_for_notification("textDocument/publishDiagnostics")
        await asyncio.wait_for(agreed(), PATIENCE_S)
        return self.client.diagnostics[self.manifest]

    async def project_found(self):
        """Waits until the server has read the project."""
        for _ in range(1000):
            if await self.client.protocol.send_request_async("otaru/projects", None):
                return
        pytest.fail("the project was not found")

    async def asks_the_manager(self):
        """The server asks anew, as it does now and then: what it knows of the device may be older."""
        found = await self.client.protocol.send_request_async("otaru/devices", {})
        assert [field(device, "online") for device in field(found, "devices")] == [True]

    async def command(self, name, **argument):
        params = types.ExecuteCommandParams(command=name, arguments=[argument])
        return await self.client.workspace_execute_command_async(params)

    async def job(self, started, kind="finished"):
        """The next event of this kind of the job."""
        number = field(started, "job")
        while True:
            try:
                event = await asyncio.wait_for(self.events.get(), PATIENCE_S)
            except asyncio.TimeoutError:
                pytest.fail(f"no {kind} of job {number}; seen {self.seen[-20:]}")
            self.seen.append(event)
            if event.job == number and event.event.kind == kind:
                return event.event
            if event.job == number and event.event.kind == "finished":
                pytest.fail(f"ended without {kind}: {event.event.outcome}; {self.seen[-20:]}")

    async def finished(self, started):
        outcome = (await self.job(started)).outcome
        assert outcome.kind == "done", f"{outcome}; {self.seen[-20:]}"
        return outcome.message

    async def planned(self, verb, **argument):
        started = await self.command("otaru.plan", verb=verb, **argument)
        plan = (await self.job(started, "planned")).plan
        await self.finished(started)
        return plan

    async def planned_and_run(self, verb, **argument):
        plan = await self.planned(verb, **argument)
        return await self.finished(await self.command("otaru.run", planId=plan.planId))


@pytest.mark.asyncio
async def test_a_manifest_is_answered_while_it_is_typed(world):
    async with Editor(world) as editor:
        assert editor.result.server_info.name == "otaru"
        commands = editor.result.capabilities.execute_command_provider.commands
        verbs = await editor.client.protocol.send_request_async("otaru/verbs", None)
        assert [field(verb, "command") for verb in verbs] == list(commands)
        text = editor.open()
        broken = text.replace("board =", "bord =")
        change = types.TextDocumentContentChangeWholeDocument(text=broken)
        document = types.VersionedTextDocumentIdentifier(uri=editor.manifest, version=2)
        editor.client.text_document_did_change(
            types.DidChangeTextDocumentParams(text_document=document, content_changes=[change]))
        found = await editor.diagnostics(lambda found: any(d.code == "unknown-key" for d in found))
        (unknown,) = [d for d in found if d.code == "unknown-key"]
        line = broken.splitlines().index(next(l for l in broken.splitlines() if l.startswith("bord")))
        assert unknown.range.start == types.Position(line=line, character=0)
        at = types.TextDocumentIdentifier(uri=editor.manifest)
        position = types.Position(line=line - 1, character=2)
        hover = await editor.client.text_document_hover_async(
            types.HoverParams(text_document=at, position=position))
        assert "name" in hover.contents.value
        items = await editor.client.text_document_completion_async(
            types.CompletionParams(text_document=at, position=types.Position(line=line, character=0)))
        items = items if isinstance(items, list) else items.items
        assert "board" in [item.label for item in items]


@pytest.mark.asyncio
async def test_a_device_goes_from_flash_to_a_confirmed_update(world):
    async with Editor(world) as editor:
        await editor.project_found()
        assert "lamp runs 1.0.0" in await editor.planned_and_run("flash")
        assert "lamp is dev-" in await editor.planned_and_run("provision")
        await asyncio.to_thread(world.flashed)
        await editor.asks_the_manager()
        world.replace("Cargo.toml", VERSION, 'version = "1.1.0"')
        plan = await editor.planned("fota")
        assert plan.device == "lamp" and plan.toVersion.startswith("1.1.0+")
        wrong = types.ExecuteCommandParams(
            command="otaru.run", arguments=[{"planId": plan.planId, "version": "9.9.9"}])
        with pytest.raises(Exception, match="the plan is for version"):
            await editor.client.workspace_execute_command_async(wrong)
        started = await editor.command("otaru.run", planId=plan.planId, version=plan.toVersion)
        assert await editor.finished(started) == f"lamp confirmed {plan.toVersion}"
        with pytest.raises(Exception, match="ask for the update again"):
            await editor.command("otaru.run", planId=plan.planId)


@pytest.mark.asyncio
async def test_only_the_one_answer_starts_what_deletes(world):
    world.flashed()
    async with Editor(world) as editor:
        await editor.project_found()
        for answer in (None, "Cancel", "Flash"):
            editor.answer = answer
            started = await editor.command("otaru.erase")
            assert await editor.finished(started) == "Erase is planned for lamp"
            while not editor.questions:
                await editor.client.wait_for_notification("window/logMessage")
            question = editor.questions.pop()
            assert "Erase lamp?" in question.message
            assert [action.title for action in question.actions] == ["Erase", "Cancel"]
            for _ in range(1000):
                if any("Erase was not started" in log.message for log in editor.client.log_messages):
                    break
                await asyncio.wait_for(
                    editor.client.wait_for_notification("window/logMessage"), PATIENCE_S)
            editor.client.log_messages.clear()
        # It is still who it was: the manager's view and the device's own.
        plan = await editor.planned("undo-provision")
        assert "Take the identity dev-" in plan.question


@pytest.mark.asyncio
async def test_a_provision_is_undone_here_and_in_the_manager(world):
    world.flashed()
    async with Editor(world) as editor:
        await editor.project_found()
        assert "lamp is not dev-" in await editor.planned_and_run("undo-provision")
        devices = await editor.command("otaru.devices")
        assert field(devices, "devices") == []
        started = await editor.command("otaru.plan", verb="undo-provision")
        outcome = (await editor.job(started)).outcome
        assert (outcome.kind, outcome.code) == ("failed", "not-provisioned")
        assert outcome.hint


@pytest.mark.asyncio
async def test_reports_say_what_is_there(world):
    async with Editor(world) as editor:
        await editor.project_found()
        started = await editor.command("otaru.size")
        report = {entry.name: entry.text for entry in (await editor.job(started, "report")).entries}
        assert report["header"] and "bytes" in report["payload"]
        assert "of its slot" in await editor.finished(started)
        started = await editor.command("otaru.doctor")
        report = {entry.name: entry for entry in (await editor.job(started, "report")).entries}
        assert report["project"].state == "good" and report["manager"].state == "good"
        await editor.job(started)
        with pytest.raises(Exception, match="not empty"):
            await editor.command("otaru.newProject", folder=str(world.project))
        made = await editor.command("otaru.newProject", folder=str(world.folder / "second"))
        assert Path(field(made, "manifest")).is_file()


@pytest.mark.skipif("OTARU_NVIM" not in os.environ, reason="needs OTARU_NVIM")
def test_neovim_edits_a_manifest_and_updates_a_device(world):
    world.flashed()
    cargo = (world.project / "Cargo.toml").read_text()
    old = next(line for line in cargo.splitlines() if line.startswith("version"))
    world.replace("Cargo.toml", old, 'version = "1.2.0"')
    done = subprocess.run(
        [os.environ["OTARU_NVIM"], "--headless", "--clean", "-n",
         "-c", f"luafile {HERE / 'neovim' / 'otaru.lua'}"],
        env=world.env | {"OTARU": world.otaru}, cwd=world.project, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "confirmed 1.2.0+" in done.stdout + done.stderr


@pytest.mark.skipif("OTARU_EMACS" not in os.environ, reason="needs OTARU_EMACS")
def test_emacs_edits_a_manifest_and_asks_the_doctor(world):
    done = subprocess.run(
        [os.environ["OTARU_EMACS"], "--batch", "--load", HERE / "emacs" / "otaru.el"],
        env=world.env | {"OTARU": world.otaru}, cwd=world.project, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "doctor: done" in done.stdout
