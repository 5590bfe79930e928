/** A part of a whole as a bar: SVG, because a width in a style attribute is what the content security policy forbids. */
/** @jsxImportSource @kitajs/html */

interface BarProps {
  /** 0–1. */
  readonly part: number;
  /** In pixels. */
  readonly height: number;
  /** Where the bar would end if all were as it should be, 0–1; 0 draws no mark. */
  readonly mark?: number;
}

/** Hidden from screen readers: what it shows stands beside it in words. */
export function Bar({ part, height, mark = 0 }: BarProps): JSX.Element {
  const percent = (share: number) => `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`;
  // A mark stands out above and below.
  const [whole, top] = mark > 0 ? [height + 4, 2] : [height, 0];
  const field = { y: String(top), height: String(height), rx: String(height / 2) };
  return (
    <svg class="bar" width="100%" height={String(whole)} aria-hidden="true">
      <rect class="bar-rest" width="100%" {...field} />
      <rect class="bar-part" width={percent(part)} {...field} />
      {mark > 0 ? <rect class="bar-fair" x={percent(mark)} width="2" height={String(whole)} /> : ""}
    </svg>
  );
}
