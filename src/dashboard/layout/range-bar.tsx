/** The time range of a page: earlier and later, its ends as a form, lengths to choose, and links to keep or take along. */
/** @jsxImportSource @kitajs/html */

import { momentText } from "../../lib/time-range.ts";
import { fixedAddress, movedRange, type PageRange, rangeAddress } from "../page-range.ts";
import { attribute } from "../responses.ts";

const lengths = [
  ["15 min", 15 * 60_000],
  ["1 h", 3_600_000],
  ["6 h", 6 * 3_600_000],
  ["24 h", 86_400_000],
  ["7 d", 7 * 86_400_000],
] as const;

interface PlaceProps {
  readonly path: string;
  readonly range: PageRange;
  /** Further parameters of the address, which links and form keep. */
  readonly more?: Readonly<Record<string, string | undefined>>;
}

interface RangeBarProps extends PlaceProps {
  readonly children?: JSX.Element | JSX.Element[];
}

export function RangeBar({ children = "", ...place }: RangeBarProps): JSX.Element {
  const { path, range, more = {} } = place;
  const { isLive } = range;
  return (
    <div class="range-bar">
      <RangeArrow move="earlier" {...place} />
      <RangeForm {...place} />
      {isLive ? "" : <RangeArrow move="later" {...place} />}
      <a
        class="button"
        href={attribute(rangeAddress(path, range, { change: movedRange(range, "out"), more }))}
        data-key="0"
      >
        Zoom out
      </a>
      <RangeLengths {...place} />
      {children}
    </div>
  );
}

const arrows = {
  earlier: { text: "‹", key: "[", label: "Earlier" },
  later: { text: "›", key: "]", label: "Later" },
} as const;

/** Moves the time by half its length. */
export function RangeArrow({
  move,
  path,
  range,
  more = {},
}: PlaceProps & { readonly move: keyof typeof arrows }): JSX.Element {
  const { text, key, label } = arrows[move];
  const href = attribute(rangeAddress(path, range, { change: movedRange(range, move), more }));
  return (
    <a class="button" href={href} data-key={key} aria-label={label}>
      {text}
    </a>
  );
}

/** The lengths of time that end now. */
export function RangeLengths({ path, range, more = {} }: PlaceProps): JSX.Element {
  const { from, to, isLive, now } = range;
  return (
    <nav class="windows" aria-label="Length of the time shown">
      {lengths.map(([name, lengthMs]) => {
        const change = { from: now - lengthMs, to: now, isLive: true, at: undefined };
        return (
          <a
            href={attribute(rangeAddress(path, range, { change, more }))}
            {...(!isLive && name === "1 h" ? { "data-key": "l" } : {})}
            {...(isLive && Math.abs(to - from - lengthMs) < 1_000 ? { "aria-current": "true" } : {})}
          >
            {name}
          </a>
        );
      })}
    </nav>
  );
}

/** Both ends to type in. */
export function RangeForm({ path, range, more = {} }: PlaceProps): JSX.Element {
  const { from, to, isLive, pool, upstream, route, isLocal } = range;
  const hidden = { pool, upstream, route, tz: isLocal ? "local" : undefined, ...more };
  return (
    <form class="range-form" method="get" action={path} aria-label="Time range">
      {Object.entries(hidden).map(([name, value]) =>
        value === undefined ? "" : <input type="hidden" name={attribute(name)} value={attribute(value)} />,
      )}
      <RangeEnd name="from" label="From" value={isLive ? rangeText(range) : endText(from)} />
      <span aria-hidden="true">to</span>
      <RangeEnd name="to" label="To" value={isLive ? "now" : endText(to)} />
      <button type="submit" class="button">
        Show
      </button>
    </form>
  );
}

function RangeEnd({
  name,
  label,
  value,
}: {
  readonly name: string;
  readonly label: string;
  readonly value: string;
}): JSX.Element {
  return (
    <label class="range-end">
      <span class="unseen">{label}</span>
      <input
        type="text"
        name={name}
        value={attribute(value)}
        title="UTC: 2026-11-28 03:12, or relative: -1h, now"
        autocomplete="off"
        spellcheck="false"
      />
    </label>
  );
}

function rangeText(range: PageRange): string {
  return new URLSearchParams(rangeAddress("", { ...range, at: undefined }).slice(1)).get("from") ?? "";
}

/** "2026-11-28 03:12" with seconds where there are any: easy to read and to change. */
function endText(at: number): string {
  return momentText(at).replace("T", " ").replace(/Z$/, "").replace(/:00$/, "");
}

interface ToolsProps extends PlaceProps {
  /** Whose CSV and JSON have what is shown, if it is not the page. */
  readonly data?: { readonly path: string; readonly range: PageRange };
}

/** Copy link, CSV and JSON: with fixed times, so that they stay what they are. */
export function RangeTools({ path, range, more = {}, data }: ToolsProps): JSX.Element {
  const rows = (suffix: string) =>
    attribute(
      data
        ? fixedAddress(`${data.path}${suffix}`, { ...data.range, at: undefined })
        : fixedAddress(`${path}${suffix}`, range, more),
    );
  return (
    <>
      <a class="button" href={attribute(fixedAddress(path, range, more))} data-role="copy-link" data-key="c">
        Copy link
      </a>
      <a class="button" href={rows(".csv")} download="">
        CSV
      </a>
      <a class="button" href={rows(".json")}>
        JSON
      </a>
    </>
  );
}

/** Sentences about an address that cannot be used as it is. */
export function RangeProblems({ problems }: Pick<PageRange, "problems">): JSX.Element {
  if (problems.length === 0) return "";
  return (
    <div class="notice" role="alert">
      {problems.map((problem) => (
        <p safe>{problem}</p>
      ))}
    </div>
  );
}
