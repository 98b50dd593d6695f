// Everything a page does beyond being read. Each module stands alone and does nothing
// where its elements are missing; without scripts all pages and forms still work.
import "./htmx.js";
import "./copy.js";
import "./events.js";
import "./keyboard.js";
import "./live.js";
import "./menu.js";
import "./palette.js";
import "./pull.js";
import "./select.js";
import "./tabs.js";
import "./theme.js";
import "./time.js";
