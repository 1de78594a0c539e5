// A text box that completes names of nodes: ARIA's combobox with a list. The list is a row of buttons below the box
// ("strip", nothing is covered and nothing moves) or opens over what follows ("popup").
import {complete} from "./api.js";
import {html, useEffect, useRef, useState} from "./dom.js";
import {cut, shown} from "./text.js";

const WAIT = 90;

/**
 * @param id      of the box, unique on the page
 * @param label   what it is, for screen readers
 * @param value   text in the box
 * @param run     name of the run whose nodes complete it
 * @param onInput called with the text at each change
 * @param onChoose called with the suggestion {id, name} that was taken
 * @param onEnter called where Enter takes no suggestion
 */
export function Combobox({id, label, value, run, onInput, onChoose, onEnter, kind = "popup", ...box}) {
  const [options, setOptions] = useState([]);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const [typed, setTyped] = useState(null);
  const list = useRef(), input = useRef();

  useEffect(() => {
    if (typed === null) return;
    if (typed.trim() === "") {
      setOptions([]);
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const found = await complete(typed, run, stop.signal);
        setOptions(found);
        setActive(-1);
      } catch (error) {
        if (error.name !== "AbortError") setOptions([]);
      }
    }, WAIT);
    return () => (clearTimeout(timer), stop.abort());
  }, [typed, run]);

  const twice = new Set(options.map((each) => each.name).filter((name, i, all) => all.indexOf(name) !== i));
  const isOpen = open && options.length > 0;
  const at = isOpen ? active : -1;
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({block: "nearest", inline: "nearest"});
  }, [at]);

  const close = () => (setOpen(false), setActive(-1));
  const take = (option) => {
    close();
    setTyped(null);
    setOptions([]);
    onChoose(option);
    input.current.focus();
  };
  const onKeyDown = (event) => {
    if (event.isComposing) return;
    const steps = {ArrowDown: 1, ArrowUp: -1};
    if (event.key in steps && options.length) {
      event.preventDefault();
      setOpen(true);
      const next = at + steps[event.key];
      setActive(next < -1 ? options.length - 1 : next >= options.length ? -1 : next);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (at >= 0) take(options[at]);
      else {
        close();
        onEnter?.(event.target.value);
      }
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (isOpen) close();
      else onInput("");
    }
  };
  return html`<div class=${`combobox ${kind}`}>
    <input ref=${input} id=${id} type="text" role="combobox" aria-label=${label} aria-autocomplete="list"
      aria-expanded=${String(isOpen)} aria-controls=${`${id}-list`} autocomplete="off" autocapitalize="off"
      spellcheck="false" dir="auto" aria-activedescendant=${at >= 0 ? `${id}-${at}` : undefined} value=${value}
      onInput=${(event) => (setOpen(true), setTyped(event.target.value), onInput(event.target.value))}
      onKeyDown=${onKeyDown} onBlur=${close} ...${box} />
    <ul ref=${list} id=${`${id}-list`} role="listbox" aria-label=${`Nodes that match: ${label}`}
      class=${isOpen ? "open" : ""}>
      ${isOpen && options.map((option, i) => html`<li key=${option.id} id=${`${id}-${i}`} role="option"
        aria-selected=${String(i === at)} class=${i === at ? "active" : ""} title=${shown(option.id)}
        onMouseDown=${(event) => (event.preventDefault(), take(option))}>
        <bdi>${cut(shown(option.name || option.id), 60)}</bdi>
        ${option.name && option.name !== option.id && html`<small class=${twice.has(option.name) ? "told" : ""}><bdi>${cut(shown(option.id), 40)}</bdi></small>`}
      </li>`)}
    </ul>
  </div>`;
}
