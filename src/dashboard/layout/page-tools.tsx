/** Links to keep or take along what a page shows, where it has no time: its address, and its rows as CSV and JSON. */
/** @jsxImportSource @kitajs/html */

import { attribute, fileAddress } from "../responses.ts";

interface PageToolsProps {
  /** The address of the page with its query: "/routes?pool=main". */
  readonly address: string;
}

/** Pages of a time have `RangeTools`, which make relative times fixed. */
export function PageTools({ address }: PageToolsProps): JSX.Element {
  return (
    <>
      <a class="button" href={attribute(address)} data-role="copy-link" data-key="c">
        Copy link
      </a>
      <a class="button" href={attribute(fileAddress(address, "csv"))} download="">
        CSV
      </a>
      <a class="button" href={attribute(fileAddress(address, "json"))}>
        JSON
      </a>
    </>
  );
}
