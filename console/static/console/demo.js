// The example messages fill the widget's box; sending stays the visitor's own act.

for (const button of document.querySelectorAll("[data-fill]")) {
  button.addEventListener("click", () => {
    const widget = document.querySelector("#stage .rtai-widget");
    widget?.dispatchEvent(new CustomEvent("rtai:fill", { detail: button.dataset.fill }));
    widget?.scrollIntoView({ block: "nearest" });
  });
}
