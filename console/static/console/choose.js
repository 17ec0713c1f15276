// A checkbox that chooses all of its kind on the page.
for (const all of document.querySelectorAll("[data-chooses]")) {
  const each = document.querySelectorAll(`[name="${all.dataset.chooses}"]`);
  all.hidden = false;
  all.addEventListener("change", () => each.forEach((box) => (box.checked = all.checked)));
}
