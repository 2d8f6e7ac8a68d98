// The answer while it comes. Text only, through textContent: nothing a model wrote becomes markup here.
// Messages: {n, d} adds text d; {n, p} shows progress p below it; {n, d, p} does both; a gap in n asks for the whole text; {n, all} is that text.
export default () => {
  let n = 0, text = "", progress = "";
  const views = new Set();
  const paint = (view, added) => {
    for (let at = 0; at < added.length; ) {
      const end = added.indexOf("\n\n", at);
      const stop = end < 0 ? added.length : end + 2;
      view.tail.appendData(added.slice(at, stop));
      at = stop;
      if (end >= 0) view.block();
    }
    view.status.textContent = progress || (text ? "" : "…");
  };
  return {
    initialize({ model }) {
      n = model.get("count");
      text = model.get("text");
      model.on("msg:custom", (m) => {
        if (m.all !== undefined) {
          n = m.n;
          text = m.all;
          views.forEach((v) => (v.clear(), paint(v, text)));
        } else if (m.n === n + 1) {
          n = m.n;
          if (m.d) text += m.d;
          progress = m.p || "";
          views.forEach((v) => paint(v, m.d || ""));
        } else if (m.n > n) model.send({ t: "resync" });
      });
    },
    render({ el }) {
      const box = document.createElement("div");
      const status = document.createElement("div");
      box.setAttribute("aria-live", "polite");
      // JupyterLab's own size and leading for text, so that nothing jumps when the finished answer takes its place.
      el.style.cssText = "font-size:var(--jp-content-font-size1,inherit);line-height:var(--jp-content-line-height,1.6)";
      box.style.cssText = "white-space:pre-wrap;overflow-wrap:anywhere";
      status.style.cssText = "opacity:.6;font-size:85%";
      const view = {
        status,
        block() {
          const part = box.appendChild(document.createElement("div"));
          view.tail = part.appendChild(document.createTextNode(""));
        },
        clear() {
          box.replaceChildren();
          view.block();
        },
      };
      view.block();
      el.append(box, status);
      paint(view, text);
      views.add(view);
      return () => views.delete(view);
    },
  };
};
