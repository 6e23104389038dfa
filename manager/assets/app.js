// What the pages need besides htmx: live updates, dialogs, errors in place, copying, relative
// times. Everything is delegated from the document, so it survives whatever htmx swaps.
(() => {
  "use strict";

  const body = document.body;
  const root = body.dataset.root ?? "";
  const byId = (id) => document.getElementById(id);

  // --- live updates -------------------------------------------------------------------------
  // The manager says what has changed; htmx then reads the affected parts again. `otaru:progress`
  // means a few more percent, `otaru:status` anything else.
  const PROGRESS_MS = 150;
  const STATUS_MS = 60;
  const pending = new Map();
  let stream = null;
  let lastStatus = "";
  let wasLost = false;

  function soon(name, ms) {
    if (pending.has(name)) return;
    pending.set(name, setTimeout(() => {
      pending.delete(name);
      htmx.trigger(body, name);
      // An older answer with percent may still be under way and arrive behind the new status; the
      // strip is read once more behind it.
      if (name === "otaru:status") soon("otaru:progress", PROGRESS_MS);
    }, ms));
  }

  function onAction(event) {
    const action = JSON.parse(event.data);
    const status = `${action.id} ${action.status} ${action.attempt}`;
    const isProgress = body.dataset.events !== "" && status === lastStatus;
    lastStatus = status;
    if (isProgress) soon("otaru:progress", PROGRESS_MS);
    else soon("otaru:status", body.dataset.events === "" ? PROGRESS_MS * 2 : STATUS_MS);
  }

  function connect() {
    if (stream || body.dataset.events === undefined) return;
    const device = body.dataset.events;
    const query = device ? `?device=${encodeURIComponent(device)}` : "";
    stream = new EventSource(`${root}/api/v1/events${query}`);
    stream.addEventListener("action", onAction);
    stream.addEventListener("device", () => soon("otaru:status", STATUS_MS));
    stream.addEventListener("version", () => soon("otaru:version", STATUS_MS));
    stream.addEventListener("resync", () => soon("otaru:status", 0));
    stream.onopen = () => {
      say("");
      // What happened before the stream was open is read once.
      soon("otaru:status", 0);
      if (wasLost) soon("otaru:version", 0);
      wasLost = false;
    };
    stream.onerror = () => {
      wasLost = true;
      say("No connection to the manager");
      if (stream?.readyState === EventSource.CLOSED) {
        disconnect();
        setTimeout(connect, 3000);
      }
    };
  }

  function disconnect() {
    stream?.close();
    stream = null;
  }

  function say(text) {
    const place = byId("link-state");
    if (place && place.textContent !== text) place.textContent = text;
  }

  // A browser has few connections per server; pages that nobody sees give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) disconnect();
    else connect();
  });
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", connect);

  // --- what changes by itself is announced, once --------------------------------------------
  let announced = byId("update-status")?.dataset.announce;
  function announce() {
    const text = byId("update-status")?.dataset.announce;
    if (text && text !== announced) byId("announce").textContent = text;
    announced = text;
  }

  // --- expanded parts stay expanded through a swap ------------------------------------------
  let expanded = new Map();
  document.addEventListener("htmx:beforeSwap", () => {
    expanded = new Map();
    for (const details of document.querySelectorAll("details[id]")) {
      expanded.set(details.id, details.open);
    }
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const [id, open] of expanded) {
      const details = byId(id);
      if (details && details.open !== open) details.open = open;
    }
    announce();
    showTimes();
  });

  // --- dialogs --------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const opener = target?.closest("[data-open]");
    if (opener) byId(opener.dataset.open)?.showModal();
    const closer = target?.closest("[data-close]");
    if (closer) {
      const dialog = closer.closest("dialog");
      dialog?.close();
      // The form that the answer has replaced is fetched again with the page.
      if (closer.hasAttribute("data-reset")) location.reload();
    }
    const copier = target?.closest("[data-copy], [data-copy-text]");
    if (copier) void copy(copier);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const dialog = byId("dialog");
    if (event.detail.target?.id === "dialog-body" && !dialog.open) dialog.showModal();
  });
  byId("dialog").addEventListener("close", () => byId("dialog-body").replaceChildren());
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful) return;
    const form = event.detail.elt;
    if (form.matches("form[data-closes]")) form.closest("dialog")?.close();
    if (form.matches("form[data-clears]")) form.reset();
  });

  // --- questions before what cannot be undone -------------------------------------------------
  let answer = null;
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    byId("confirm-text").textContent = event.detail.question;
    byId("confirm-yes").textContent = event.detail.elt.dataset.yes ?? "Yes";
    answer = () => event.detail.issueRequest(true);
    byId("confirm").showModal();
  });
  byId("confirm-yes").addEventListener("click", () => {
    const go = answer;
    byId("confirm").close();
    go?.();
  });
  byId("confirm").addEventListener("close", () => { answer = null; });

  // --- errors stand where they arose ------------------------------------------------------------
  function placeFor(element) {
    return element.closest("form")?.querySelector("[data-error]") ?? byId("notice");
  }
  function show(place, content) {
    place.replaceChildren(content);
    place.hidden = false;
    place.scrollIntoView({ block: "nearest" });
  }
  function paragraph(text) {
    const p = document.createElement("p");
    p.textContent = text;
    return p;
  }
  document.addEventListener("htmx:beforeRequest", (event) => {
    // A reading that nobody asked for leaves the message of the last click alone.
    if (event.detail.requestConfig.verb === "get") return;
    byId("notice").hidden = true;
    for (const place of document.querySelectorAll("[data-error]")) place.replaceChildren();
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr, requestConfig } = event.detail;
    const type = xhr.getResponseHeader("content-type") ?? "";
    if (xhr.getResponseHeader("hx-redirect")) return;
    const part = document.createElement("template");
    if (type.startsWith("text/html")) part.innerHTML = xhr.responseText;
    else part.content.append(paragraph(`The manager answered ${xhr.status}.`));
    show(placeFor(requestConfig.elt), part.content);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      // The stream says it already for what the page does by itself.
      const { elt, verb } = event.detail.requestConfig;
      if (verb === "get" && !elt.closest("form, button")) return;
      show(placeFor(elt), paragraph("The manager does not answer. Is it running? Nothing was changed; try again."));
    });
  }

  // --- copying ------------------------------------------------------------------------------------
  async function copy(button) {
    const source = button.dataset.copy ? byId(button.dataset.copy) : null;
    const text = source ? source.textContent : button.dataset.copyText;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // Without TLS a browser offers no clipboard: select, so that a key press copies.
      if (source) getSelection().selectAllChildren(source);
    }
    const label = button.dataset.label ?? button.textContent;
    button.dataset.label = label;
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = label; }, 2000);
  }

  // --- times, as src/web/words.rs says them ---------------------------------------------------------
  const UNITS = [[86_400, "day"], [3_600, "hour"], [60, "minute"], [1, "second"]];
  function relative(seconds) {
    if (seconds < 10) return "just now";
    const [length, name] = UNITS.find(([unit]) => seconds >= unit);
    const count = Math.floor(seconds / length);
    return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  // The server's clock counts, not the one of this machine.
  const skew = Date.now() - Date.parse(body.dataset.now || new Date().toISOString());
  function showTimes() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = Date.parse(time.dateTime);
      if (Number.isNaN(at)) continue;
      const text = relative((Date.now() - skew - at) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }
  setInterval(showTimes, 10_000);

  connect();
})();
