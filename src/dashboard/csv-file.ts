/** The rows of a page as a CSV file: columns by name, each with its cell of a row. */

import { type CsvCell, csvOf } from "../lib/csv.ts";
import { fresh } from "./responses.ts";

export type CsvColumns<Row> = Readonly<Record<string, (row: Row) => CsvCell>>;

/** @param name of the file, without its ending */
export function csvFile<Row>(name: string, columns: CsvColumns<Row>, rows: readonly Row[]): Response {
  const cells = Object.values(columns);
  const text = csvOf(
    Object.keys(columns),
    rows.map((row) => cells.map((cell) => cell(row))),
  );
  return new Response(text, {
    headers: {
      ...fresh,
      "Content-Type": "text/csv; charset=utf-8",
      "Content-Disposition": `attachment; filename="${name}.csv"`,
    },
  });
}
