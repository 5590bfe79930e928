/** One number that matters, with what it means and where it comes from. */
/** @jsxImportSource @kitajs/html */

import { nothing } from "../wording/format.ts";
import type { StatusConcern } from "../wording/verdict.ts";

interface TileProps {
  readonly name: string;
  /** Undefined while nothing is known. */
  readonly value: string | undefined;
  readonly note: string;
  readonly concern?: StatusConcern;
  /** A line of its last minute. */
  readonly spark?: JSX.Element;
}

export function Tile({ name, value, note, concern = "none", spark = "" }: TileProps): JSX.Element {
  return (
    <div class="tile">
      <dt safe>{name}</dt>
      <dd class="figure" data-concern={concern} safe>
        {value ?? nothing}
      </dd>
      <dd class="sub" safe>
        {value === undefined ? "not known" : note}
      </dd>
      <dd class="spark-place">{spark}</dd>
    </div>
  );
}
