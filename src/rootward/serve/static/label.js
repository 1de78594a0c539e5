// The view that labels texts: they are answered in batches, the least certain come first, a person corrects them, and
// the table is saved as `rootward train --labels` reads it.
import {node as fetchNode, search as fetchAnswers} from "./api.js";
import {Combobox} from "./combobox.js";
import {html, useEffect, useRef, useState} from "./dom.js";
import {namedNode} from "./search.js";
import {count, cut, percent, shown, textsOf, writeTable} from "./text.js";

const BATCH = 32, MOST = 20_000, PAGE = 50;

/** How sure an answer is: its probability; without one the margin of its document, on a scale of its own; -inf for none. */
function certainty(result, named) {
  if (named === null) return -Infinity;
  if (result.probability !== null && result.probability !== undefined) return result.probability;
  const scores = result.documents.map((each) => each.score).filter((each) => each !== null).sort((a, b) => b - a);
  return result.documents.find((each) => each.id === named)?.margin ?? (scores[0] ?? 0) - (scores[1] ?? 0);
}

function toRow(result, names, at) {
  const named = namedNode(result);
  return {
    at, text: result.text, node: named, name: named === null ? "" : names[named] || result.documents.find((each) => each.id === named)?.name || named,
    typed: null, probability: result.probability ?? null, sure: certainty(result, named), checked: false, problem: result.error ?? null,
  };
}

/** Answers texts batch by batch; a batch that is too large for the server is halved. */
async function answerAll(texts, run, signal, onRows) {
  let size = BATCH;
  for (let start = 0; start < texts.length;) {
    const batch = texts.slice(start, start + size);
    try {
      const told = await fetchAnswers(batch, run, {signal});
      onRows(told.results.map((result, i) => toRow(result, told.names ?? {}, start + i)));
      start += batch.length;
    } catch (error) {
      if (error.status === 413 || error.status === 422 || error.status === 400) {
        if (batch.length === 1) {
          onRows([{...toRow({text: batch[0], documents: [], error: error.message}, {}, start)}]);
          start += 1;
        } else size = Math.ceil(batch.length / 2);
      } else throw error;
    }
  }
}

function Row({row, number, run, change, next}) {
  const id = `node-${row.at}`;
  const value = row.typed ?? shown(row.name);
  return html`<tr class=${row.checked ? "checked" : ""}>
    <th scope="row"><label for=${id}><bdi title=${shown(row.text)}>${cut(shown(row.text), 140)}</bdi></label></th>
    <td><${Combobox} id=${id} label=${`Node of: ${cut(shown(row.text), 60)}`} value=${value} run=${run}
      placeholder=${row.problem ? "no answer: choose a node" : "nothing fits: choose a node"}
      onInput=${(typed) => change(row.at, {typed, checked: false})}
      onChoose=${(option) => change(row.at, {node: option.id, name: option.name || option.id, typed: null, checked: true, corrected: true})}
      onEnter=${async (typed) => {
        if (row.typed === null) row.node !== null && (change(row.at, {checked: true}), next());
        else if (typed.trim() === "") change(row.at, {node: null, name: "", typed: null, checked: false});
        else {
          try {  // an id typed in full
            const found = await fetchNode(typed.trim(), run);
            change(row.at, {node: found.id, name: found.name || found.id, typed: null, checked: true, corrected: true});
            next();
          } catch { change(row.at, {problem: "unknown"}); }
        }
      }} />
      ${row.typed !== null && row.problem === "unknown" && html`<p class="problem small">No node has this id. Choose one of the list.</p>`}</td>
    <td class="number">${row.corrected ? html`<span class="tag">corrected</span>` : row.probability !== null ? percent(row.probability) : "–"}</td>
    <td class="check"><input type="checkbox" id=${`check-${row.at}`} aria-label=${`Right: ${cut(shown(row.text), 60)}`} checked=${row.checked}
      disabled=${row.node === null || row.typed !== null} onChange=${(event) => change(row.at, {checked: event.target.checked})} /></td>
  </tr>`;
}

export function LabelView({run, say}) {
  const [source, setSource] = useState("");
  const [rows, setRows] = useState([]);
  const [progress, setProgress] = useState(null);
  const [error, setError] = useState(null);
  const [visible, setVisible] = useState(PAGE);
  const [unchecked, setUnchecked] = useState(false);
  const [order, setOrder] = useState([]);
  const stop = useRef(null), body = useRef(), saved = useRef(true);

  useEffect(() => {
    const ask = (event) => saved.current || event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => (removeEventListener("beforeunload", ask), stop.current?.abort());
  }, []);

  const begin = async (texts) => {
    if (!texts.length) return setError("There are no texts here. Write one a line.");
    if (texts.length > MOST) return setError(`${texts.length.toLocaleString("en")} texts; at most ${MOST.toLocaleString("en")} at a time. Give fewer.`);
    stop.current?.abort();
    const mine = (stop.current = new AbortController());
    setRows([]), setOrder([]), setError(null), setVisible(PAGE), setProgress({done: 0, of: texts.length});
    let all = [];
    try {
      await answerAll(texts, run, mine.signal, (more) => {
        if (mine.signal.aborted) return;
        all = [...all, ...more];
        setProgress({done: all.length, of: texts.length});
      });
    } catch (failure) {
      if (failure.name !== "AbortError") setError(failure.message);
      else if (mine !== stop.current) return;
    }
    setRows(all);
    setOrder([...all].sort((a, b) => a.sure - b.sure || a.at - b.at).map((row) => row.at));
    setProgress(null);
    say(`${count(all.length, "text")} answered, the least certain first.`);
  };
  const change = (at, values) => {
    saved.current = false;
    setRows((old) => old.map((row) => (row.at === at ? {...row, problem: null, ...values} : row)));
  };
  const open = async (file) => file && begin(textsOf(await file.text(), file.name));
  const next = (at) => () => {
    const after = body.current?.querySelector(`#node-${order[order.indexOf(at) + 1]}`);
    after?.focus();
    after?.select();
  };
  const byPlace = new Map(rows.map((row) => [row.at, row]));
  const checked = rows.filter((row) => row.checked && row.node !== null);
  const others = rows.filter((row) => !row.checked && row.node !== null && row.typed === null);
  const out = (unchecked ? [...checked, ...others] : checked).sort((a, b) => a.at - b.at);
  const save = () => {
    const table = writeTable(["text", "node"], out.map((row) => [row.text, row.node]));
    const address = URL.createObjectURL(new Blob([table], {type: "text/csv;charset=utf-8"}));
    const link = Object.assign(document.createElement("a"), {href: address, download: "labels.csv"});
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
    saved.current = true;
    say(`${count(out.length, "label")} saved as labels.csv.`);
  };
  return html`<div class="label-view" onDragOver=${(event) => event.preventDefault()}
    onDrop=${(event) => (event.preventDefault(), open(event.dataTransfer.files[0]))}>
    <section class="texts">
      <h2>Label texts</h2>
      <p class="quiet">Each text gets the node that <bdi>${shown(run.name)}</bdi> names. Check the least certain ones, correct what is wrong, and
        train with the result: <code>rootward train SOURCE --labels labels.csv</code></p>
      <label for="texts" class="hidden">Texts, one a line</label>
      <textarea id="texts" rows="6" placeholder="One text a line, or open a CSV, TSV or text file" dir="auto" value=${source}
        onInput=${(event) => setSource(event.target.value)}></textarea>
      <div class="buttons">
        <button type="button" class="primary" disabled=${progress !== null} onClick=${() => begin(textsOf(source))}>Answer these texts</button>
        <label class="button" for="file">Open a file</label>
        <input id="file" class="hidden" type="file" accept=".csv,.tsv,.txt,text/*" onChange=${(event) => (open(event.target.files[0]), (event.target.value = ""))} />
        ${progress && html`<progress max=${progress.of} value=${progress.done} aria-label="Texts answered"></progress>
          <span class="quiet">${progress.done.toLocaleString("en")} of ${count(progress.of, "text")}</span>
          <button type="button" onClick=${() => stop.current.abort()}>Stop</button>`}
      </div>
      ${error && html`<p class="problem" role="alert">${error}</p>`}
    </section>
    ${order.length > 0 && html`<section class="labels" aria-label="Labels">
      <div class="bar"><p><strong>${checked.length.toLocaleString("en")}</strong> of ${count(rows.length, "text")} checked</p>
        <label class="choice"><input type="checkbox" checked=${unchecked} onChange=${(event) => setUnchecked(event.target.checked)} /> also save unchecked ones</label>
        <button type="button" class="primary" disabled=${!out.length} onClick=${save}>Save ${count(out.length, "label")} as CSV</button></div>
      <div class="table open"><table><caption class="hidden">Texts with their nodes, the least certain first</caption>
        <thead><tr><th scope="col">Text</th><th scope="col">Node</th><th scope="col" class="number">Chance</th><th scope="col" class="check">Right</th></tr></thead>
        <tbody ref=${body}>${order.slice(0, visible).map((at) => html`<${Row} key=${at} row=${byPlace.get(at)} run=${run.name} change=${change} next=${next(at)} />`)}</tbody>
      </table></div>
      ${order.length > visible && html`<button type="button" class="more" onClick=${() => setVisible(visible + PAGE)}>Show ${Math.min(PAGE, order.length - visible)} more</button>`}
    </section>`}
  </div>`;
}
