// Names and texts as people see them, numbers as people read them, and tables of texts in and out.

const HIDDEN =
  // C0 and C1 controls, soft hyphen, Arabic letter mark, fillers, zero width space, marks and embeddings of direction,
  // line and paragraph separators, word joiner and the like, byte order mark, tags. Joiners (200C, 200D) are kept:
  // scripts and emoji need them.
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** The text with each control or invisible character written out, such as [U+202E], so that a name cannot hide any. */
export function shown(text) {
  return String(text ?? "")
    .toWellFormed()
    .replace(HIDDEN, (mark) => {
      const code = mark.codePointAt(0);
      if (code === 9 || code === 10 || code === 13) return " ";
      return `[U+${code.toString(16).toUpperCase().padStart(4, "0")}]`;
    })
    .replace(/(\p{M}{3})\p{M}+/gu, "$1");
}

const graphemes = new Intl.Segmenter(undefined, {granularity: "grapheme"});

/** The text cut to `length` characters, as people count them, with an ellipsis where something is left out. */
export function cut(text, length) {
  if (text.length <= length) return text;
  const letters = [];
  for (const {segment} of graphemes.segment(text)) {
    if (letters.length === length) return `${letters.slice(0, -1).join("").trimEnd()}…`;
    letters.push(segment);
  }
  return text;
}

/** A share of 1 as a percentage that never rounds to certainty. */
export function percent(share) {
  const value = 100 * share;
  if (value > 99.5 && value < 100) return "> 99 %";
  if (value < 0.5 && value > 0) return "< 1 %";
  return `${value.toFixed(0)} %`;
}

/** A score with three digits after the point. */
export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(3).replace("-", "−"));

/** "1 answer", "2 answers". */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** Rows of a table in CSV (RFC 4180) or TSV; quotes, doubled quotes and line breaks inside quotes are read. */
export function readTable(source, mark = ",") {
  const rows = [];
  let row = [], cell = "", quoted = false;
  const text = source.replace(/^\ufeff/, "");
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === mark) row.push(cell), (cell = "");
    else if (letter === "\n" || letter === "\r") {
      if (letter === "\r" && text[i + 1] === "\n") i++;
      row.push(cell);
      rows.push(row);
      row = [], cell = "";
    } else cell += letter;
  }
  if (cell !== "" || row.length) row.push(cell), rows.push(row);
  return rows.filter((each) => each.some((value) => value.trim() !== ""));
}

/** The texts of a file, each once, control characters as spaces: one a line; of a table the column `text` (or title, name, query), else the first one. */
export function textsOf(source, file = "") {
  const mark = /\.csv$/i.test(file) ? "," : /\.tsv$/i.test(file) ? "\t" : null;
  const first = source.replace(/^\ufeff/, "").split(/[\r\n]/, 1)[0];
  const header = /^"?text"?[,\t]/i.test(first) && mark === null;
  let texts;
  if (mark !== null || header) {
    const rows = readTable(source, mark ?? (first.includes("\t") ? "\t" : ","));
    const names = (rows[0] ?? []).map((name) => name.trim().toLowerCase());
    const column = ["text", "texts", "title", "name", "query"].map((name) => names.indexOf(name)).find((at) => at >= 0);
    texts = rows.slice(column === undefined ? 0 : 1).map((row) => row[column ?? 0] ?? "");
  } else texts = source.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
  return [...new Set(texts.map((text) => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim()).filter((text) => text !== ""))];
}

/** Rows as CSV with a header; a cell is quoted where it has to be. */
export function writeTable(header, rows) {
  const cell = (value) => (/[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
