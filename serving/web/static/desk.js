/* The pages work without this. It saves a click on filters, finds the search with "/", and says
   when a page is on its way. */
"use strict";
var byKey = false;  // a list moved through by keys is shown by its button, not at every step
document.addEventListener("keydown", function () { byKey = true; }, true);
document.addEventListener("pointerdown", function () { byKey = false; }, true);
document.addEventListener("change", function (event) {
  var field = event.target;
  if (field.matches(".filters select") && !byKey) { field.form.requestSubmit(); }
});
document.addEventListener("keydown", function (event) {
  var search = document.getElementById("q");
  if (event.key !== "/" || !search || event.ctrlKey || event.metaKey || event.altKey) { return; }
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) { return; }
  event.preventDefault();
  search.focus();
  search.select();
});
function waiting() { document.getElementById("main").setAttribute("aria-busy", "true"); }
document.addEventListener("submit", function (event) {
  if (event.target.method === "get") { waiting(); }
});
document.addEventListener("click", function (event) {
  var link = event.target.closest("a[href]");
  if (link && !link.hasAttribute("download") && !event.ctrlKey && !event.metaKey
      && link.origin === location.origin && !link.hash) { waiting(); }
});
window.addEventListener("pageshow", function (event) {
  // after the browser's Back the fields say what the list below them was asked for
  if (event.persisted) {
    document.querySelectorAll("form.filters").forEach(function (form) { form.reset(); });
  }
  document.getElementById("main").removeAttribute("aria-busy");
});
