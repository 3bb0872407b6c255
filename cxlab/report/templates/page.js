
(function () {
  "use strict";
  var BLANK = /^[–—-]?$/;
  var DATED = /^\d{4}-\d\d/;
  var FIGURE = /^[<>≤≥]?\s*(?:[A-Z]{3}\s|[€$£¥]\s?)?([-−+]?)(?:[€$£¥]\s?)?(\d[\d,\u00a0\u202f]*(?:\.\d+)?(?:e[-+]?\d+)?)(?:\s(million|billion|seconds?|min|hours?|days?)\b)?/i;
  var TIMES = { million: 1e6, billion: 1e9, min: 60, hour: 3600, day: 86400 };
  var ROWS_TO_SORT = 3, ROWS_TO_SEARCH = 13;

  function make(name, given, text) {
    var made = document.createElement(name);
    Object.keys(given).forEach(function (key) { made.setAttribute(key, given[key]); });
    if (text) { made.textContent = text; }
    return made;
  }

  function codeButton() {
    var button = document.getElementById("cx-open-code");
    var all = document.querySelectorAll("details.cx-code");
    if (!button || !all.length) { return; }
    button.hidden = false;
    button.addEventListener("click", function () {
      var open = button.textContent === "Show all code";
      all.forEach(function (one) { one.open = open; });
      button.textContent = open ? "Hide all code" : "Show all code";
    });
  }

  /* A cell's text, without the interval below its figure. */
  function said(cell) {
    var copy = cell.cloneNode(true);
    copy.querySelectorAll(".cx-limits").forEach(function (one) { one.remove(); });
    return copy.textContent.trim();
  }

  /* The first figure of a text: of an interval its estimate. None of a date, which sorts as text. */
  function figure(text) {
    var found = DATED.test(text) ? null : FIGURE.exec(text);
    if (!found) { return null; }
    var unit = (found[3] || "").toLowerCase().replace(/s$/, "");
    var sign = found[1] === "-" || found[1] === "−" ? -1 : 1;
    return sign * parseFloat(found[2].replace(/[,\u00a0\u202f]/g, "")) * (TIMES[unit] || 1);
  }

  /* What is sorted and searched: rows, or groups of rows that belong together. */
  function parts(table) {
    var bodies = Array.prototype.slice.call(table.tBodies);
    return bodies.length === 1 ? Array.prototype.slice.call(bodies[0].rows) : bodies;
  }

  function cells(part) { return (part.rows ? part.rows[0] : part).cells; }

  /* What a column is sorted by: figures where most cells have one, else text; null goes last. */
  function keys(rows, column) {
    var texts = rows.map(function (row) { return said(cells(row)[column]); });
    var there = texts.filter(function (text) { return !BLANK.test(text); });
    var figures = texts.map(function (text) { return BLANK.test(text) ? null : figure(text); });
    var numeric = there.length > 0 &&
      2 * figures.filter(function (one) { return one !== null; }).length > there.length;
    return {
      numeric: numeric,
      values: numeric ? figures : texts.map(function (text) { return BLANK.test(text) ? null : text; })
    };
  }

  function order(rows, column, way) {
    var found = keys(rows, column), places = rows.map(function (_, k) { return k; });
    places.sort(function (a, b) {
      var one = found.values[a], other = found.values[b];
      if (one === null || other === null) { return (one === null) - (other === null) || a - b; }
      var by = found.numeric ? one - other : one.localeCompare(other, undefined, { numeric: true });
      return way * by || a - b;
    });
    return places.map(function (k) { return rows[k]; });
  }

  /* Figures begin with the largest, text with A; the third time the table is as it was. */
  function sortBy(table, rows, head, column) {
    var numeric = keys(rows, column).numeric;
    var ways = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
    var next = ways[ways.indexOf(head.getAttribute("aria-sort")) + 1];
    table.querySelectorAll("th[aria-sort]").forEach(function (one) { one.removeAttribute("aria-sort"); });
    if (next) { head.setAttribute("aria-sort", next); }
    var sorted = next ? order(rows, column, next === "ascending" ? 1 : -1) : rows;
    sorted.forEach(function (row) { row.parentNode.appendChild(row); });
  }

  function sortable(table, rows) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      if (!head.textContent.trim()) { return; }
      var button = make("button", { type: "button", "class": "cx-sort" });
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () { sortBy(table, rows, head, column); });
    });
  }

  function searchable(table, rows) {
    var line = make("p", { "class": "cx-find" }), label = make("label", {}, "Find in this table ");
    var field = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
    var told = make("span", { role: "status" });
    var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
    field.addEventListener("input", function () {
      var words = field.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
      rows.forEach(function (row, k) {
        row.hidden = !words.every(function (word) { return texts[k].indexOf(word) >= 0; });
        shown += row.hidden ? 0 : 1;
      });
      told.textContent = words.length ? shown + " of " + rows.length + (rows[0].rows ? "" : " rows") : "";
    });
    label.appendChild(field);
    line.appendChild(label);
    line.appendChild(told);
    (table.closest(".cx-scroll") || table).before(line);
  }

  /* Each part has a cell for every heading: a group in its first row. */
  function whole(table) {
    if (!table.tHead || table.tHead.rows.length !== 1 || table.querySelector("[colspan]")) { return false; }
    if (table.tBodies.length < 2) { return table.tBodies.length === 1 && !table.querySelector("[rowspan]"); }
    var wide = table.tHead.rows[0].cells.length;
    return parts(table).every(function (body) { return body.rows.length && cells(body).length === wide; });
  }

  function tables() {
    document.querySelectorAll("table.cx-table").forEach(function (table) {
      if (!whole(table)) { return; }
      var rows = parts(table);
      if (rows.length >= ROWS_TO_SORT) { sortable(table, rows); }
      if (rows.length >= ROWS_TO_SEARCH) { searchable(table, rows); }
    });
  }

  /* A word's meaning beside it, by mouse, key or touch; the list at the end of the page has all. */
  function words() {
    var links = document.querySelectorAll("a.cx-word");
    if (!links.length) { return; }
    var card = make("div", { "class": "cx-card", role: "tooltip", "aria-hidden": "true", hidden: "" });
    var leaving = 0, shown = null;
    document.body.appendChild(card);
    function hide() { card.hidden = true; }
    function stay() { clearTimeout(leaving); }
    function leave() { stay(); leaving = setTimeout(hide, 150); }
    function place() {
      if (card.hidden) { return; }
      var at = shown.getBoundingClientRect(), box = card.getBoundingClientRect();
      var right = document.documentElement.clientWidth - box.width - 8, below = at.bottom + 4;
      var above = below + box.height > window.innerHeight;
      card.style.left = Math.max(8, Math.min(at.left, right)) + "px";
      card.style.top = (above ? at.top - box.height - 4 : below) + "px";
    }
    function show(link) {
      stay();
      shown = link;
      card.textContent = document.getElementById(link.hash.slice(1)).textContent;
      card.hidden = false;
      place();
    }
    links.forEach(function (link) {
      link.addEventListener("mouseenter", function () { show(link); });
      link.addEventListener("mouseleave", leave);
      link.addEventListener("focus", function () { show(link); });
      link.addEventListener("blur", leave);
      link.addEventListener("click", function (event) {
        if (event.detail) { event.preventDefault(); show(link); }  /* by key it leads to the list */
      });
    });
    card.addEventListener("mouseenter", stay);
    card.addEventListener("mouseleave", leave);
    document.addEventListener("keydown", function (event) { if (event.key === "Escape") { hide(); } });
    document.addEventListener("scroll", place, { passive: true, capture: true });
    document.addEventListener("pointerdown", function (event) {
      if (!event.target.closest(".cx-word, .cx-card")) { hide(); }
    });
  }

  codeButton();
  tables();
  words();
})();
