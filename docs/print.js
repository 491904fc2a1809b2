// Paper is white: a dark page is printed as a light one.
let scheme;
addEventListener("beforeprint", () => {
  scheme = document.body.dataset.mdColorScheme;
  document.body.dataset.mdColorScheme = "default";
});
addEventListener("afterprint", () => {
  document.body.dataset.mdColorScheme = scheme;
});
