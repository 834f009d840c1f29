// The pieces of the page. Everything foreign goes in as text, never as markup.

function make(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (key === "class") node.className = value;
    else if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const LABELS = {
  migrated: "migrated", unsafe: "unsafe", "shape-only": "shape-only", manual: "manual", uncovered: "uncovered", ignored: "ignored",
};

const chip = (status) => make("span", { class: `chip ${status}` }, LABELS[status] || status);
const shape = (dims) => (dims === null ? "—" : `(${dims.join(", ")}${dims.length === 1 ? "," : ""})`);
const error = (value) => (value === null ? "—" : value === 0 ? "0" : value.toPrecision(2));
const place = (site) => (site.cell === null ? "" : `cell ${site.cell + 1}:`) + `${site.line}:${site.column}`;

function marked(words, tag) {
  return words.map(([changed, text]) => (changed ? make(tag, {}, text) : text));
}

// The call on both sides, dedented by what all its further lines share.
function pair(site) {
  const before = dedented(source(site.before), site.column);
  if (site.after === null) return make("div", { class: "pair one" }, side("PyTorch", "old", [before]));
  const after = dedented(source(site.after), site.column);
  const words = wordDiff(before, after);
  return make("div", { class: "pair" },
    side("PyTorch", "old", words ? marked(words[0], "del") : [make("del", {}, before)]),
    side(site.written ? "MindSpore" : "MindSpore, not written", "new",
      words ? marked(words[1], "ins") : [make("ins", {}, after)]));
}

function side(title, kind, content) {
  return make("figure", { class: kind },
    make("figcaption", {}, title),
    make("pre", {}, make("code", { dir: "ltr" }, ...content)));
}

function dedented(text) {
  const [first, ...rest] = text.split("\n");
  const indents = rest.filter((line) => line.trim()).map((line) => line.match(/^[ \t]*/)[0].length);
  const indent = indents.length ? Math.min(...indents) : 0;
  return [first, ...rest.map((line) => line.slice(Math.min(indent, line.match(/^[ \t]*/)[0].length)))].join("\n");
}

function fact(name, value) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, value));
}

function evidence(site) {
  const proof = site.proof;
  if (proof.kind === "none") return null;
  return make("dl", { class: "evidence" },
    fact("Proof", `${proof.kind}, ${proof.cases} case${proof.cases === 1 ? "" : "s"}`),
    fact("Input", shape(proof.input_shape)),
    fact("Output, both sides", shape(proof.output_shape)),
    fact("Largest error", error(proof.max_abs_error)));
}

function assumptions(site) {
  if (!site.assumptions.length) return null;
  const items = site.assumptions.map((text) => make("li", {}, ...prose(text)));
  return make("div", { class: "assumes" }, make("h3", {}, "Holds if"), make("ul", {}, ...items));
}

function parameters(site) {
  const entries = Object.entries(site.parameters);
  if (!entries.length) return null;
  const head = ["Parameter", "PyTorch", "MindSpore", "Name after the rewrite"];
  const cells = (tag, words) => words.map((word) => make(tag, tag === "th" ? { scope: "col" } : {}, visible(word)));
  const rows = entries.map(([name, value]) =>
    make("tr", {}, ...cells("td", [name, shape(value.torch), shape(value.mindspore), value.path])));
  return make("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Parameters" },
    make("table", { class: "parameters" },
      make("thead", {}, make("tr", {}, ...cells("th", head))), make("tbody", {}, ...rows)));
}

// Words with `code` in them.
function prose(text) {
  return visible(text).split(/`([^`]+)`/).map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

function siteBody(site) {
  const target = site.target ? ` → ${visible(site.target)}` : "";
  return make("div", { class: "body" },
    site.message ? make("p", { class: "said" }, ...prose(site.message)) : null,
    pair(site),
    evidence(site), assumptions(site), parameters(site),
    make("p", { class: "api" }, `${visible(site.api)}${target}`));
}

function siteCard(site) {
  const proof = site.proof.kind === "none" ? null : make("span", { class: "proof" }, site.proof.kind);
  const summary = make("summary", {},
    chip(site.status),
    make("span", { class: "rule" }, visible(site.rule)),
    make("span", { class: "at" }, place(site)),
    make("code", { class: "call", dir: "ltr" }, oneLine(site.before).slice(0, 300)),
    proof);
  const card = make("details", { class: `site ${site.status}` }, summary);
  card.addEventListener("toggle", () => { if (card.open) fill(card, site); });
  card.fill = () => fill(card, site);
  if (site.todo) { fill(card, site); card.open = true; }
  return card;
}

function fill(card, site) {
  if (card.childElementCount === 1) card.append(siteBody(site));
}

// The whole file side by side, built when it is first opened.
function fileDiff(file) {
  const table = make("div", { class: "diff", role: "table", "aria-label": `Changes of ${visible(file.path)}` });
  for (const [oldStart, newStart, parts] of file.hunks) {
    let i = oldStart + 1, j = newStart + 1;
    const span = make("div", { role: "cell" }, `line ${i}`);
    table.append(make("div", { class: "row gap", role: "row" }, span));
    for (const [tag, old, new_] of parts) {
      const right = tag === "equal" ? old : new_;
      for (let n = 0; n < Math.max(old.length, right.length); n++) {
        table.append(row(tag, old[n], right[n], i + n, j + n));
      }
      i += old.length;
      j += right.length;
    }
  }
  return table;
}

function row(tag, before, after, i, j) {
  const line = (text) => visible(text.replace(/\r?\n$/, ""), "\t");
  const words = tag !== "equal" && before !== undefined && after !== undefined
    ? wordDiff(line(before), line(after)) : null;
  const cell = (text, index, kind, tagName, number) => make("div",
    { class: `line ${text === undefined ? "empty" : tag === "equal" ? "same" : kind}`, role: "cell" },
    make("span", { class: "number", "data-line": text === undefined ? "" : String(number) }),
    make("code", { dir: "ltr" }, ...(text === undefined ? [] : words ? marked(words[index], tagName) : [line(text)])));
  return make("div", { class: `row ${tag}`, role: "row" },
    cell(before, 0, "old", "del", i), cell(after, 1, "new", "ins", j));
}
