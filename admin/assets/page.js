// Keeps the page fresh without losing the scroll position or what is being typed into the
// filter, and says loudly when it cannot. Without it, a meta refresh does the first half.
"use strict";
(() => {
  const every = 5000; // milliseconds
  const lost = document.getElementById("lost");

  // show says why the page is not fresh; "" says that it is.
  function show(problem) {
    const live = document.getElementById("live");
    const text = problem && problem + " This is the state of " + live.dataset.now + ".";
    if (lost.textContent !== text) lost.textContent = text; // a screen reader tells each change
    lost.hidden = !problem;
    document.title = problem ? "✖ " + live.dataset.server + ": not fresh" : live.dataset.title;
  }

  async function refresh() {
    const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(every) });
    const next = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("live");
    if (!next) throw new Error("HTTP status " + response.status);
    const live = document.getElementById("live");
    const link = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    live.replaceWith(next);
    if (link) next.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
  }

  async function attempt() {
    if (document.hidden) return; // nobody looks
    const selection = getSelection();
    if (!selection.isCollapsed && document.getElementById("live").contains(selection.anchorNode)) {
      show("Not refreshed while text is selected.");
      return;
    }
    try {
      await refresh();
      show("");
    } catch (error) {
      show("This server does not answer: " + error.message + ".");
    }
  }

  async function turn() {
    await attempt();
    setTimeout(turn, every);
  }

  document.addEventListener("visibilitychange", attempt);
  setTimeout(turn, every);
})();
