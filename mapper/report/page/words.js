// Text made safe to show, and the words in which two texts differ.

// As visible.py: controls, bidi marks, separators and lone surrogates become escapes.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function visible(text, keep = "") {
  return text.replace(HIDDEN, (char) => (keep.includes(char) ? char : escaped(char)));
}

function escaped(char) {
  const code = char.codePointAt(0);
  if (SHORT[char]) return SHORT[char];
  if (code < 0x100) return "\\x" + code.toString(16).padStart(2, "0");
  if (code < 0x10000) return "\\u" + code.toString(16).padStart(4, "0");
  return "\\U" + code.toString(16).padStart(8, "0");
}

const source = (text) => visible(text.replace(/\r\n/g, "\n"), "\n\t");
const oneLine = (text) => visible(text.replace(/[ \t]*(\r\n|\r|\n)[ \t]*/g, " "));

const tokens = (text) => text.match(/[\p{L}\p{N}_]+|[ \t]+|[^]/gu) || [];
const MOST = 400_000;

// Two lists of [changed, text], one per side; null where hardly a word is common.
function wordDiff(before, after) {
  const a = tokens(before), b = tokens(after);
  let head = 0, tail = 0;
  while (head < Math.min(a.length, b.length) && a[head] === b[head]) head++;
  const most = Math.min(a.length, b.length) - head;
  while (tail < most && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const left = a.slice(head, a.length - tail), right = b.slice(head, b.length - tail);
  const keep = left.length * right.length > MOST ? [[], []] : common(left, right);
  const same = head + tail + keep[0].length;
  if (same < 0.25 * Math.min(a.length, b.length)) return null;
  const mark = (side, kept, all) => joined([
    ...all.slice(0, head).map((word) => [false, word]),
    ...side.map((word, index) => [!kept.has(index), word]),
    ...all.slice(all.length - tail).map((word) => [false, word]),
  ]);
  return [mark(left, new Set(keep[0]), a), mark(right, new Set(keep[1]), b)];
}

// The indices of a longest common subsequence on both sides.
function common(a, b) {
  const width = b.length + 1;
  const best = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      best[i * width + j] = a[i] === b[j]
        ? best[(i + 1) * width + j + 1] + 1
        : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
    }
  }
  const left = [], right = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) { left.push(i++); right.push(j++); }
    else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i++;
    else j++;
  }
  return [left, right];
}

function joined(words) {
  const out = [];
  for (const [changed, word] of words) {
    const last = out[out.length - 1];
    if (last && last[0] === changed) last[1] += word;
    else out.push([changed, word]);
  }
  return out;
}
