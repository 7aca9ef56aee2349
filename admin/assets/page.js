// Keeps the page fresh: events tell what to fetch again, and only those parts of the page are fetched and
// replaced that may be different. It keeps the scroll position, what has the focus, what has been folded
// and unfolded, and what is typed into the filter, and says loudly when it cannot. While nobody sees the
// page it asks for nothing. Without it, a meta refresh does the first half.
"use strict";
(() => {
  // Milliseconds.
  const gathering = 250; // after an event: others of the same cause come with it
  const gap = 1000; // between two refreshes at least
  const beat = 5000; // of what is wrong: times go on without events
  const slow = 60000; // of everything: latencies, rates
  const polling = 15000; // of everything, while no events come
  const patience = 8000; // for an answer

  const all = Array.from(document.querySelectorAll("[data-part]"), (part) => part.dataset.part);
  const live = document.getElementById("live");
  const lost = document.getElementById("lost");
  const news = document.getElementById("news");
  const folded = new Map(); // whether what a person has folded or unfolded is open, by the ID of the element

  const summary = () => document.getElementById("summary").dataset;
  const incidents = () => new Map(Array.from(document.querySelectorAll("[data-incident]"), (i) => [i.dataset.incident, i.querySelector("h3").textContent]));

  // show says why the page is not fresh; "" says that it is.
  function show(problem) {
    const text = problem && problem + " This is the state of " + summary().now + ".";
    if (lost.textContent !== text) lost.textContent = text; // a screen reader tells each change
    lost.hidden = !problem;
    document.title = problem ? "✖ " + summary().server + ": not fresh" : summary().title;
  }

  // announce tells a screen reader which incidents have begun, and that the last one has ended.
  function announce(before) {
    const now = incidents();
    const begun = Array.from(now).filter(([id]) => !before.has(id)).map(([, text]) => text);
    if (begun.length > 0) news.textContent = begun.join(". ");
    else if (before.size > 0 && now.size === 0) news.textContent = "No incident lasts.";
  }

  // replace puts a new part in the place of one of the same name, if anything in it is different.
  function replace(part, next) {
    for (const details of next.querySelectorAll("details[id]"))
      if (folded.has(details.id)) details.open = folded.get(details.id);
    if (part.isEqualNode(next)) return;
    const focused = part.contains(document.activeElement) && document.activeElement;
    const again = focused ? nearestIn(next, focused, part) : [];
    part.replaceWith(next);
    for (const element of again) {
      element.focus({ preventScroll: true });
      if (document.activeElement === element) break; // what is folded away takes no focus
    }
  }

  // nearestIn is what can get the focus in a new part, the best first, so that the tab key goes on from there: the same
  // link, the line of the same row, the part.
  function nearestIn(next, focused, part) {
    const link = focused.getAttribute("href");
    const links = (root) => Array.from(root.querySelectorAll("a[href]")).filter((a) => a.getAttribute("href") === link);
    const row = focused.closest("details")?.id;
    return [links(next)[links(part).indexOf(focused)], row && next.querySelector(`#${CSS.escape(row)} > summary`), next].filter(Boolean);
  }

  async function refresh(parts) {
    const query = new URLSearchParams(location.search);
    query.delete("done");
    query.set("part", parts.join(","));
    const response = await fetch("/?" + query, { cache: "no-store", signal: AbortSignal.timeout(patience) });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const before = incidents();
    for (const part of parts) {
      const next = fresh.querySelector(`[data-part="${part}"]`);
      if (!next) throw new Error("HTTP status " + response.status);
      replace(document.querySelector(`[data-part="${part}"]`), document.adoptNode(next));
    }
    announce(before);
  }

  const due = new Set(); // parts to fetch
  let timer, at = Infinity; // of the next refresh
  let busy = false, last = 0, whole = Date.now(); // when the last one ended, and the last one of everything

  // want has parts fetched within a time.
  function want(parts, within) {
    for (const part of parts) due.add(part);
    const when = Math.max(Date.now() + within, last + gap);
    if (busy || document.hidden || when >= at) return;
    clearTimeout(timer);
    at = when;
    timer = setTimeout(turn, when - Date.now());
  }

  // turn fetches what is due. With nothing due its time has come by itself: for what is wrong, or for all.
  async function turn() {
    at = Infinity;
    if (document.hidden) return;
    const selection = getSelection();
    if (!selection.isCollapsed && live.contains(selection.anchorNode)) {
      show("Not refreshed while text is selected.");
      want([], gap);
      return;
    }
    const heard = stream.readyState === EventSource.OPEN;
    if (!heard || Date.now() - whole >= slow) for (const part of all) due.add(part);
    const parts = due.size > 0 ? all.filter((part) => due.has(part)) : ["summary", "state"];
    due.clear();
    busy = true;
    try {
      await refresh(parts);
      if (parts.length === all.length) whole = Date.now();
      show("");
    } catch (error) {
      whole = 0;
      show("This server does not answer: " + error.message + ".");
    }
    busy = false;
    last = Date.now();
    if (stream.readyState === EventSource.CLOSED) listen();
    want([], due.size > 0 ? gathering : !lost.hidden ? polling / 3 : heard ? beat : polling);
  }

  // listen has the server send what happens. The browser connects again by itself.
  let stream;
  function listen() {
    stream?.close();
    stream = new EventSource("/api/v1/events/stream");
    stream.onmessage = (message) => want(concerned(JSON.parse(message.data).kind), gathering);
    stream.addEventListener("missed", () => want(all, gathering));
  }

  // watch begins when the page is seen, and ends when it is not.
  function watch() {
    clearTimeout(timer);
    at = Infinity;
    stream?.close();
    if (document.hidden) return;
    listen();
    want(began ? all : [], began ? 0 : beat);
    began = true;
  }
  let began = false; // the page is as it was sent until then

  // concerned is the parts that an event of a kind may change.
  function concerned(kind) {
    if (kind === "target") return ["summary", "state", "pools", "events"];
    if (kind === "pool" || kind === "answer") return ["summary", "state", "names", "pools", "events"];
    return all;
  }

  document.addEventListener("click", (event) => {
    const details = event.target.closest("summary")?.parentElement;
    if (details?.id) folded.set(details.id, !details.open); // it is opened after this
  });
  document.addEventListener("visibilitychange", watch);
  watch();
})();
