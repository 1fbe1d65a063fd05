// What script adds: copying, and the suggestion of a format while a URL is
// typed. Every page works without it.
"use strict";
(() => {
  const said = document.querySelector("[data-pw-said]");
  for (const button of document.querySelectorAll("[data-pw-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.pwCopy);
      try {
        await navigator.clipboard.writeText(field.value);
        button.textContent = "Copied";
        if (said) said.textContent = "Copied";
      } catch {
        field.focus();
        field.select();
      }
    });
  }

  const hosts = document.querySelector("[data-pw-hosts]");
  const url = document.getElementById("pw-url");
  const format = document.getElementById("pw-format");
  const suggestion = document.querySelector("[data-pw-suggestion]");
  if (hosts && url && format && suggestion) {
    const known = [...hosts.dataset.pwHosts.matchAll(/(\S+?)=([^|]*)\|/g)].map((m) => [m[1], m[2]]);
    const tell = () => {
      let text = "";
      try {
        const host = new URL(url.value.trim()).hostname;
        const hit = known.find(([name]) => host === name || (name.startsWith(".") && host.endsWith(name)));
        text = "By its host, the format is " + (hit ? hit[1] : format.dataset.pwStandard || "Standard (signed JSON)") + ".";
      } catch {
        text = "";
      }
      suggestion.textContent = format.value === "auto" ? text : "";
    };
    url.addEventListener("input", tell);
    format.addEventListener("change", tell);
    tell();
  }
})();
