// Follows the settings menu of narrow screens, whose values are paths here.
document.addEventListener("change", function (event) {
  var list = event.target;
  if (list instanceof HTMLSelectElement && list.hasAttribute("data-pws-follow") && list.value.charAt(0) === "/") {
    location.assign(list.value);
  }
});
