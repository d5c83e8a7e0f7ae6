// Shows the value under a pointer, a finger or the keyboard. Without this
// script each mark's <title> does, where there is a pointer.
"use strict";
(() => {
  const tip = document.getElementById("tip");
  let shown = null;
  const hide = () => {
    if (shown) shown.el.classList.remove("on");
    shown = null;
    tip.hidden = true;
  };
  const show = (mark) => {
    if (shown === mark) return;
    hide();
    shown = mark;
    mark.el.classList.add("on");
    tip.textContent = mark.text;
    tip.hidden = false;
    const box = mark.el.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const x = box.left + box.width / 2 - tip.offsetWidth / 2;
    tip.style.left = window.scrollX + Math.max(8, Math.min(x, room - tip.offsetWidth - 8)) + "px";
    let y = box.top - tip.offsetHeight - 8;
    if (y < 4) y = box.bottom + 8;
    tip.style.top = window.scrollY + y + "px";
  };
  // A finger is not exact: the nearest mark within reach is meant.
  const nearest = (marks, e) => {
    let best = null, least = 24 * 24;
    for (const m of marks) {
      if (m.el === e.target) return m;
      const b = m.el.getBoundingClientRect();
      const dx = Math.max(b.left - e.clientX, 0, e.clientX - b.right);
      const dy = Math.max(b.top - e.clientY, 0, e.clientY - b.bottom);
      if (dx * dx + dy * dy < least) {
        least = dx * dx + dy * dy;
        best = m;
      }
    }
    return best;
  };
  for (const svg of document.querySelectorAll("svg.plot")) {
    const marks = [];
    for (const title of svg.querySelectorAll("title")) {
      if (title.parentNode === svg) svg.setAttribute("aria-label", title.textContent);
      else marks.push({el: title.parentNode, text: title.textContent});
      title.remove();
    }
    if (marks.length === 0) continue;
    let at = -1;
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("aria-roledescription", "plot; arrow keys read its values");
    const follow = (e) => {
      const m = nearest(marks, e);
      if (m) {
        at = marks.indexOf(m);
        show(m);
      } else hide();
    };
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    svg.addEventListener("pointerleave", (e) => { if (e.pointerType === "mouse") hide(); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (e) => {
      const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: marks.length - 1}[e.key];
      if (e.key === "Escape") hide();
      if (to === undefined) return;
      e.preventDefault();
      at = (to + marks.length) % marks.length;
      show(marks[at]);
    });
  }
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") hide(); });
  addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
})();
