
(function () {
  var button = document.getElementById("cx-open-code");
  var all = document.querySelectorAll("details.cx-code");
  if (!button || !all.length) { return; }
  button.hidden = false;
  button.addEventListener("click", function () {
    var open = button.textContent === "Show all code";
    all.forEach(function (one) { one.open = open; });
    button.textContent = open ? "Hide all code" : "Show all code";
  });
})();
