/* The labels of time axes and value axes: one rule for every chart and every range. */
globalThis.timeAxis = (() => {
  const secondMs = 1_000;
  const minuteMs = 60 * secondMs;
  const hourMs = 60 * minuteMs;
  const dayMs = 24 * hourMs;

  /* Pixels between two labels, at least. */
  const minDistance = 72;

  const steps = [
    ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * secondMs),
    ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minuteMs),
    ...[1, 2, 3, 6, 12].map((hours) => hours * hourMs),
    ...[1, 2, 7, 14].map((days) => days * dayMs),
  ];

  const longDay = new Intl.DateTimeFormat("en-GB", {
    weekday: "long",
    day: "numeric",
    month: "long",
    timeZone: "UTC",
  });
  const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  /* Minutes by which local time is ahead of UTC at a moment; 0 for UTC. */
  const aheadOf = (at, isLocal) => (isLocal ? -new Date(at).getTimezoneOffset() : 0);

  /* Under 2 min 03:12:40, under 36 h 03:12, under 10 d Sat 28, beyond 28 Nov; the day's name once at midnight. */
  const labelOf = (at, spanMs, isLocal) => {
    const shifted = new Date(at + aheadOf(at, isLocal) * minuteMs);
    const time = shifted.toISOString();
    const isMidnight = time.slice(11, 19) === "00:00:00";
    const day = shifted.getUTCDate();
    if (spanMs >= 10 * dayMs) return `${day} ${months[shifted.getUTCMonth()]}`;
    if (isMidnight && spanMs >= 2 * minuteMs) return `${weekdays[shifted.getUTCDay()]} ${day}`;
    return spanMs < 2 * minuteMs ? time.slice(11, 19) : time.slice(11, 16);
  };

  return {
    minDistance,

    /* Labels of a time axis: moments (epoch milliseconds) and texts. Steps are round in the zone that is shown. */
    ticks(from, to, width, isLocal = false) {
      const spanMs = to - from;
      if (!(spanMs > 0) || !(width > 0)) return [];
      /* No two labels are alike: a step is no finer than what its labels show. */
      const finest = spanMs >= 10 * dayMs ? dayMs : spanMs >= 2 * minuteMs ? minuteMs : secondMs;
      const fits = (step) => step >= finest && (step / spanMs) * width >= minDistance;
      const step = steps.find(fits);
      if (step === undefined) return [];
      const aheadMs = aheadOf(from, isLocal) * minuteMs;
      /* Weeks begin on Monday: the epoch was a Thursday. */
      const originMs = step % (7 * dayMs) === 0 ? 4 * dayMs : 0;
      const first = Math.ceil((from + aheadMs - originMs) / step) * step + originMs - aheadMs;
      const found = [];
      for (let at = first; at <= to; at += step) found.push({ at, text: labelOf(at, spanMs, isLocal) });
      return found;
    },

    /* Lines of a value axis from 0: at most three above it, at round values. */
    lines(top) {
      if (!(top > 0)) return [];
      const magnitude = 10 ** Math.floor(Math.log10(top / 4));
      const step = [1, 2, 5, 10, 20, 50]
        .map((factor) => factor * magnitude)
        .find((candidate) => Math.floor(top / candidate) <= 3);
      const count = Math.floor(top / step);
      return Array.from({ length: count }, (_, index) => Number(((index + 1) * step).toPrecision(12)));
    },

    /* The top of a value axis: above the highest value, and never below what next to nothing may look like. */
    topOf(peak, least) {
      return Math.max(least, peak * 1.1);
    },

    /* A moment in the forms of src/dashboard/history/moment.tsx. */
    clock(at, isLocal, form = "time") {
      const shifted = new Date(at + aheadOf(at, isLocal) * minuteMs);
      const text = shifted.toISOString();
      if (form === "time") return text.slice(11, 19);
      if (form === "instant") return text.slice(11, 23);
      if (form === "full") return text.slice(0, 23).replace("T", " ");
      if (form === "dated") return text.slice(5, 19).replace("T", " ");
      if (form === "date") return text.slice(0, 10);
      if (form === "minute") return text.slice(11, 16);
      if (form === "stamp")
        return `${weekdays[shifted.getUTCDay()]} ${shifted.getUTCDate()}, ${text.slice(11, 16)}`;
      if (form === "day") return `${text.slice(0, 10)} ${text.slice(11, 19)}`;
      const time = text.slice(17, 19) === "00" ? text.slice(11, 16) : text.slice(11, 19);
      return form === "short" ? time : `${longDay.format(shifted)}, ${time}`;
    },

    /* Marks that are nearer to each other than 16 px become one: its first and last numbers, and its worst tone. */
    mergeMarks(marks, placeOf) {
      const order = ["calm", "good", "warn", "bad"];
      const merged = [];
      for (const mark of marks) {
        const x = placeOf(mark.at);
        const last = merged.at(-1);
        if (last && x - last.x < 16) {
          last.last = mark.number;
          if (order.indexOf(mark.tone) > order.indexOf(last.tone)) last.tone = mark.tone;
        } else merged.push({ x, first: mark.number, last: mark.number, tone: mark.tone });
      }
      return merged.map(({ first, last, ...mark }) => ({
        ...mark,
        text: first === last ? String(first) : `${first}–${last}`,
      }));
    },
  };
})();
