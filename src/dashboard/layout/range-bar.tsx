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

interface RangeBarProps {
  readonly path: string;
  readonly range: PageRange;
  /** Further parameters of the address, which the form keeps. */
  readonly more?: Readonly<Record<string, string | undefined>>;
  readonly children?: JSX.Element | JSX.Element[];
}

export function RangeBar({ path, range, more = {}, children = "" }: RangeBarProps): JSX.Element {
  const { from, to, isLive, pool, upstream, isLocal } = range;
  const address = (change: Parameters<typeof rangeAddress>[2]) =>
    attribute(rangeAddress(path, range, { more, ...change }));
  const hidden = { pool, upstream, tz: isLocal ? "local" : undefined, ...more };
  return (
    <div class="range-bar">
      <a
        class="button"
        href={address({ change: movedRange(range, "earlier") })}
        data-key="["
        aria-label="Earlier"
      >
        ‹
      </a>
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
      {isLive ? (
        ""
      ) : (
        <a
          class="button"
          href={address({ change: movedRange(range, "later") })}
          data-key="]"
          aria-label="Later"
        >
          ›
        </a>
      )}
      <a class="button" href={address({ change: movedRange(range, "out") })} data-key="0">
        Zoom out
      </a>
      <nav class="windows" aria-label="Length of the time shown">
        {lengths.map(([name, lengthMs]) => (
          <a
            href={address({
              change: { from: range.now - lengthMs, to: range.now, isLive: true, at: undefined },
            })}
            {...(isLive && Math.abs(to - from - lengthMs) < 1_000 ? { "aria-current": "true" } : {})}
          >
            {name}
          </a>
        ))}
      </nav>
      {children}
      <nav class="windows zones" aria-label="Time zone" data-role="zones" hidden>
        <a
          href={address({ change: { isLocal: false } })}
          data-key="z"
          {...(isLocal ? {} : { "aria-current": "true" })}
        >
          UTC
        </a>
        <a href={address({ change: { isLocal: true } })} {...(isLocal ? { "aria-current": "true" } : {})}>
          Local
        </a>
      </nav>
    </div>
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

interface ToolsProps {
  readonly path: string;
  readonly range: PageRange;
  readonly more?: Readonly<Record<string, string | undefined>>;
}

/** Copy link, CSV and JSON: with fixed times, so that they stay what they are. */
export function RangeTools({ path, range, more = {} }: ToolsProps): JSX.Element {
  const fixed = (suffix = "") => attribute(fixedAddress(`${path}${suffix}`, range, more));
  return (
    <>
      <a class="button" href={fixed()} data-role="copy-link" data-key="c">
        Copy link
      </a>
      <a class="button" href={fixed(".csv")} download="">
        CSV
      </a>
      <a class="button" href={fixed(".json")}>
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
