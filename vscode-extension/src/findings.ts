// What the compiler says in our builds, beside what another extension (rust-analyzer) already shows of
// it: the same error is shown once. No VS Code here, so that all of it is unit-tested.

/** As much of a diagnostic as tells one from another. */
export interface Finding {
  source?: string | undefined;
  code?: string | number | { value: string | number } | undefined;
  range: { start: { line: number } };
}

/** What our server says stands at its diagnostics. */
export const SOURCE = "otaru";

const codeOf = ({ code }: Finding) => (typeof code === "object" ? code.value : code);

/** Ours without those that somebody else shows: the same code in the same line. */
export function withoutDoubles<T extends Finding>(
  ours: readonly T[],
  all: readonly Finding[],
): T[] {
  const others = all.filter(({ source }) => source !== SOURCE);
  const isShown = (found: T) =>
    codeOf(found) !== undefined &&
    others.some(
      (other) =>
        codeOf(other) === codeOf(found) && other.range.start.line === found.range.start.line,
    );
  return ours.filter((found) => !isShown(found));
}
