/** Links to keep or take along what a page shows, where it has no time: its address, and its rows as CSV and JSON. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";

interface PageToolsProps {
  /** The address of the page with its query: "/routes?pool=main". */
  readonly address: string;
  /** The path whose CSV and JSON have the rows, if it is another one. */
  readonly data?: string;
}

/** Pages of a time have `RangeTools`, which make relative times fixed. */
export function PageTools({ address, data }: PageToolsProps): JSX.Element {
  const [path = "", query] = address.split("?", 2);
  const rows = (ending: "csv" | "json") =>
    attribute(`${data ?? path}.${ending}${query === undefined ? "" : `?${query}`}`);
  return (
    <>
      <a class="button" href={attribute(address)} data-role="copy-link" data-key="c">
        Copy link
      </a>
      <a class="button" href={rows("csv")} download="">
        CSV
      </a>
      <a class="button" href={rows("json")}>
        JSON
      </a>
    </>
  );
}
