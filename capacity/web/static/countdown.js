"use strict";
// Counts down to the peaks: every element with data-countdown shows the time that is left.
(() => {
  const words = (left) => {
    const minutes = Math.round(Math.abs(left) / 60000);
    const days = Math.floor(minutes / 1440), hours = Math.floor((minutes % 1440) / 60);
    return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
  };
  const stands = document.documentElement.dataset.now; // a page that lives at a past time has a clock that stands
  const show = () => {
    for (const element of document.querySelectorAll("[data-countdown]")) {
      const left = Date.parse(element.dataset.countdown) - (stands ? Date.parse(stands) : Date.now());
      const text = left >= 0 ? words(left) : left > -86400000 * 3 ? `${words(left)} ago` : "past";
      const sentence = left >= 0 ? `in ${text},` : "has passed:";
      const shown = element.dataset.words ? sentence : text;
      if (element.textContent !== shown) element.textContent = shown;
    }
  };
  show();
  setInterval(show, 15000);
})();
