// Uses the page as a person would and writes down what it shows.
addEventListener("load", async () => {
  const $ = (id) => document.getElementById(id), said = {};
  const seen = () => [...document.querySelectorAll("figure.picture:not([hidden]) .name")].map((n) => n.textContent);
  const key = (k) => (document.activeElement || document.body).dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true }));
  const set = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event("input", { bubbles: true })); };
  said.all = seen();
  set("seed", "8-9, 11"); said.seeds = seen(); said.count = $("count").textContent; set("seed", "");
  set("model", "garden@1.0.0"); said.model = seen(); set("model", "");
  key("ArrowRight"); key("ArrowRight"); said.focus = document.activeElement.closest("figure").dataset.i;
  key("4"); said.stored = Object.entries(localStorage).filter(([k]) => k.startsWith("antiphon:rating:")).map(([, v]) => v);
  $("least").children[3].click(); said.rated = seen(); $("least").children[3].click();
  document.querySelector("figure.picture:not([hidden]) a").click();
  said.open = $("view").open; said.first = $("name").textContent;
  key("ArrowRight"); said.second = $("name").textContent; said.where = $("where").textContent;
  key("ArrowLeft"); key("ArrowLeft"); said.last = $("name").textContent;
  key("2"); said.stars = $("rate").querySelectorAll(".on").length;
  $("copy").click(); await new Promise((r) => setTimeout(r, 50));
  said.copied = document.documentElement.dataset.copied;
  $("close").click(); said.closed = !$("view").open;
  set("seed", "999"); said.none = !$("nothing").hidden;
  const out = document.createElement("pre"); out.id = "said"; out.textContent = JSON.stringify(said).replaceAll("<", "\\u003c");
  document.body.append(out);
});
