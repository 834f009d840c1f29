// Filters and the list: sites are drawn in batches as the reader gets to them.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const BATCH = 100;
const WHAT = data.what;
const ORDER = ["migrated", "shape-only", "unsafe", "manual", "uncovered", "ignored"];
const all = data.files.flatMap((file) => file.sites.map((site) => ({ ...site, file })));
const chosen = new Set();
let hits = [], drawn = 0, section = null, unfolded = false;

function tiles() {
  const counts = new Map(ORDER.map((status) => [status, all.filter((s) => s.status === status).length]));
  const kinds = (kind) => all.filter((s) => s.status === "migrated" && s.proof.kind === kind).length;
  const notes = {
    migrated: `${kinds("exact")} exact, ${kinds("sampled")} sampled`,
    "shape-only": "values differ",
    unsafe: "could be silently wrong",
    manual: "need a person",
    uncovered: "without a rule",
    ignored: "switched off",
  };
  for (const [status, count] of counts) {
    if (!count && status !== "migrated" && status !== "manual") continue;
    const tile = make("button", { type: "button", class: `tile ${status}`, "aria-pressed": "false" },
      make("b", {}, String(count)), make("span", {}, LABELS[status]), make("small", {}, notes[status]));
    tile.disabled = !count;
    tile.addEventListener("click", () => {
      if (!chosen.delete(status)) chosen.add(status);
      tile.setAttribute("aria-pressed", String(chosen.has(status)));
      update();
    });
    $("tiles").append(tile);
    const part = make("i", { class: status, title: `${count} ${status}` });
    part.style.flexGrow = String(count);
    if (count) $("bar").append(part);
  }
}

function head() {
  const { sites, migrated, files, changed, failed } = data.summary;
  $("headline").textContent = sites ? `${migrated} of ${sites} ${WHAT} migrated` : `No ${WHAT} found`;
  $("facts").append(
    fact("MindSpore", data.target.mindspore), fact("Device", data.target.device),
    fact("Recipe", data.target.recipe), fact("Files", String(files)), fact("Changed", String(changed)),
    fact("Failed", String(failed)), fact("tm2ms", data.version));
  for (const rule of [...new Set(all.map((site) => site.rule))].sort()) {
    $("rule").append(make("option", { value: rule }, visible(rule)));
  }
  data.files.forEach((file, index) => {
    if (concerns(file)) $("file").append(make("option", { value: String(index) }, visible(file.path)));
  });
}

const concerns = (file) => file.sites.length || file.message || file.notes.length || file.hunks.length;

function hay(site) {
  site.hay ??= [site.file.path, site.api, site.target, site.rule, site.before, site.after, site.message,
    ...site.assumptions].join("\n").toLowerCase();
  return site.hay;
}

function update() {
  const query = $("query").value.trim().toLowerCase(), rule = $("rule").value, file = $("file").value;
  const only = file === "" ? null : data.files[Number(file)];
  hits = all.filter((site) => (!chosen.size || chosen.has(site.status)) && (!rule || site.rule === rule)
    && (!only || site.file === only) && (!query || hay(site).includes(query)));
  const narrowed = Boolean(chosen.size || query || rule || only);
  $("reset").disabled = !narrowed;
  $("shown").textContent = narrowed ? `${hits.length} of ${all.length} sites` : `${all.length} sites`;
  drawn = 0;
  section = null;
  $("sites").replaceChildren();
  if (!hits.length) $("sites").append(make("p", { class: "notice" }, narrowed ? "No site matches." : "No sites."));
  if (!chosen.size && !rule && !query) lonely(only);
  draw();
}

// Files that have something to say but no site: failures, notes.
function lonely(only) {
  for (const file of data.files) {
    if (!file.sites.length && concerns(file) && (!only || file === only)) $("sites").append(fileSection(file));
  }
}

function draw(most = BATCH) {
  for (const end = Math.min(hits.length, drawn + most); drawn < end; drawn++) {
    const site = hits[drawn];
    if (section?.file !== site.file) {
      section = fileSection(site.file);
      $("sites").append(section);
    }
    const card = siteCard(site);
    if (unfolded) { card.fill(); card.open = true; }
    section.append(card);
  }
  $("more").hidden = drawn >= hits.length;
}

function fileSection(file) {
  const title = make("h2", {}, visible(file.path));
  const bar = make("div", { class: "filebar" }, title, make("span", { class: `chip ${file.status}` }, file.status));
  const node = make("section", { class: "file", "aria-label": visible(file.path) }, bar);
  node.file = file;
  if (file.message) node.append(make("p", { class: "failure" }, ...prose(file.message)));
  for (const note of file.notes) {
    const where = (note.cell === null ? "" : `cell ${note.cell + 1}:`) + note.line;
    node.append(make("p", { class: "note" }, make("span", { class: "at" }, where), " ", ...prose(note.message)));
  }
  if (file.hunks.length) bar.append(diffButton(file, node));
  return node;
}

function diffButton(file, node) {
  const button = make("button", {
    type: "button", class: "quiet", "aria-expanded": "false",
    "aria-label": `Whole-file diff of ${visible(file.path)}`,
  }, "Whole-file diff");
  let diff = null;
  button.addEventListener("click", () => {
    if (!diff) { diff = fileDiff(file); diff.hidden = true; node.querySelector(".filebar").after(diff); }
    diff.hidden = !diff.hidden;
    button.setAttribute("aria-expanded", String(!diff.hidden));
  });
  return button;
}

function unfold(open) {
  unfolded = open;
  for (const card of document.querySelectorAll("details.site")) {
    if (open) card.fill();
    card.open = open;
  }
  $("unfold").textContent = open ? "Collapse all" : "Expand all";
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); $("query").focus(); }
  if (event.target.tagName !== "SUMMARY" || !/^Arrow(Up|Down)$/.test(event.key)) return;
  if (event.key === "ArrowDown") draw(1);
  const summaries = [...document.querySelectorAll("summary")];
  const next = summaries[summaries.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
  if (next) { event.preventDefault(); next.focus(); }
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

let timer = 0;
$("query").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(update, 100); });
$("rule").addEventListener("change", update);
$("file").addEventListener("change", update);
$("filters").addEventListener("submit", (event) => { event.preventDefault(); update(); });
$("filters").addEventListener("reset", () => setTimeout(() => {
  chosen.clear();
  for (const tile of $("tiles").children) tile.setAttribute("aria-pressed", "false");
  update();
  $("query").focus();
}));
$("unfold").addEventListener("click", () => unfold(!unfolded));
$("theme").addEventListener("click", theme);
document.addEventListener("keydown", keys);
// Observed anew after each batch, for the mark may still be in sight.
const sight = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  draw();
  sight.unobserve($("more"));
  sight.observe($("more"));
}, { rootMargin: "1200px" });
sight.observe($("more"));
// On paper nothing can be unfolded; beyond some hundred sites only the lines are printed.
addEventListener("beforeprint", () => { draw(Infinity); if (hits.length <= 300) unfold(true); });
tiles();
head();
update();
