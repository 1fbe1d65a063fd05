// What the stand-in has of Plausible's app.js: proof that it ran, and the menu
// of the account, which evaluates attributes as Alpine does.
document.documentElement.dataset.app = "ran";
document.addEventListener("click", function (event) {
  var element = event.target.closest("[x-on\\:click]");
  if (element) new Function(element.getAttribute("x-on:click")).call(element);
});
