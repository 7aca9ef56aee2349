// Keeps the page fresh without losing the scroll position, what is being typed into the filter, or
// what has been folded and unfolded, and says loudly when it cannot. Without it, a meta refresh does
// the first half.
"use strict";
(() => {
  const every = 5000; // milliseconds
  const lost = document.getElementById("lost");
  const folded = new Map(); // whether what a person has folded or unfolded is open, by the ID of the element

  const summary = () => document.getElementById("summary").dataset;

  // show says why the page is not fresh; "" says that it is.
  function show(problem) {
    const text = problem && problem + " This is the state of " + summary().now + ".";
    if (lost.textContent !== text) lost.textContent = text; // a screen reader tells each change
    lost.hidden = !problem;
    document.title = problem ? "✖ " + summary().server + ": not fresh" : summary().title;
  }

  // replace puts a new part in the place of one of the same name, if anything in it is different.
  function replace(part, next) {
    for (const details of next.querySelectorAll("details[id]"))
      if (folded.has(details.id)) details.open = folded.get(details.id);
    if (part.isEqualNode(next)) return;
    const focused = part.contains(document.activeElement) && document.activeElement;
    part.replaceWith(next);
    if (!focused) return;
    const id = focused.closest("details")?.id;
    const link = focused.getAttribute("href");
    const again = link ? next.querySelector(`a[href="${CSS.escape(link)}"]`) : id && document.getElementById(id)?.firstElementChild;
    again?.focus({ preventScroll: true });
  }

  async function refresh() {
    const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(every) });
    const next = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!next.getElementById("live")) throw new Error("HTTP status " + response.status);
    for (const part of document.querySelectorAll("[data-part]")) {
      const found = next.querySelector(`[data-part="${part.dataset.part}"]`);
      if (found) replace(part, found);
    }
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

  document.addEventListener("click", (event) => {
    const details = event.target.closest("summary")?.parentElement;
    if (details?.id) folded.set(details.id, !details.open); // it is opened after this
  });
  document.addEventListener("visibilitychange", attempt);
  setTimeout(turn, every);
})();
