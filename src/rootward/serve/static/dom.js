// preact and htm, bound together: `html` makes elements. Values always become text nodes or attributes, never markup.
import {h} from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export {createContext, render} from "./vendor/preact.js";
export {useCallback, useContext, useEffect, useLayoutEffect, useMemo, useRef, useState} from "./vendor/preact-hooks.js";
export const html = htm.bind(h);
