/** Icons of buttons and fields, as lines in the colour of the text. A word or a label always says the same. */
/** @jsxImportSource @kitajs/html */

/** In a 16 × 16 view box. */
const paths = {
  chevron: "M6 3.5 10.5 8 6 12.5",
  down: "M4 6l4 4 4-4",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.7 10.7 14 14",
  sort: "M5 3v10M2.8 10.8 5 13l2.2-2.2M11 13V3M8.8 5.2 11 3l2.2 2.2",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM8 1.5v1.4M8 13.1v1.4M1.5 8h1.4M13.1 8h1.4M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1",
  plus: "M8 3v10M3 8h10",
  house: "M2.5 8.5 8 3l5.5 5.5M4 7.5V13h8V7.5",
  list: "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.05M2.5 8h.05M2.5 12h.05",
  curve: "M2.5 13.5h11M4 11l3-4 2.5 2L13 4",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1.2 1.5H2.8ZM6.5 14.2h3",
  close: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  dots: "M3.5 8h.05M8 8h.05M12.5 8h.05",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
