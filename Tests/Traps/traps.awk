# SPDX-License-Identifier: GPL-2.0-or-later
# Finds the lines of Swift that could trap, for scripts/traps.sh.
#
# Prints `KINDS <tab> FILE <tab> LINE NUMBER <tab> TEXT` for each, the text with its whitespace folded. Kinds:
#   !  something forced: x!, try!, as!, a precondition; none may be there
#   +  arithmetic that traps on overflow or on division by zero, a sign in front of a number, atomic add and subtract
#   [  a subscript
#   C  an integer conversion that traps on what does not fit
#   R  a range with an end that is no literal
#   E  a call that traps on a wrong index or count: removeLast, swapAt, extracting, repeating:count: and their like
#   U  unsafe without a SAFETY comment in its declaration, at most fifteen lines above it
#   u  unsafe with one, which is its reason
# It knows no types: what it finds may be of a kind that never traps. What it does not find: an enumeration of C with a
# value that it does not have, memory that runs out, two changes of one value at once.

BEGIN {
	modifiers = "^[ \t]*((public|private|fileprivate|internal|package|static|mutating|nonmutating|borrowing|consuming|" \
		"override|final|private\\(set\\))[ \t]+)*"
	declaration = modifiers "(func|init|deinit|subscript|struct|enum|extension|class|protocol|actor)[ \t({<?]"
	computed = modifiers "var .*[{][ \t]*$"
	forced = "(^|[^a-zA-Z0-9])_?(try!|as!|precondition|preconditionFailure|fatalError|assert|assertionFailure|" \
		"unsafelyUnwrapped|unowned|abort)([^a-zA-Z0-9_]|$)"
	conversion = "U?Int(8|16|32|64|128)?"
	safeConversion = conversion "\\((truncatingIfNeeded|clamping|exactly|bitPattern|littleEndian|bigEndian):"
	character = "UInt8\\(ascii: \"\"\\)"
	literal = "(0x[0-9A-F_]+|[0-9][0-9_]*)"
	literalRange = "(^|[^a-zA-Z0-9_.)])" literal "(\\.\\.<|\\.\\.\\.)" literal "([^a-zA-Z0-9_.]|$)"
	changing = "(^|[. \t(])(removeLast|removeFirst|removeSubrange|replaceSubrange|swapAt|extracting|" \
		"withMemoryRebound)(\\(|$)"
	placing = "\\.(dropFirst|dropLast|prefix|suffix|index|formIndex|distance|advanced)\\("
	counting = "(allocate|bindMemory|initialize|deinitialize)\\(.*(capacity|count):"
}

FNR == 1 { safety = 0; attached = 0 }
{
	line = $0
	# Texts hold no code, as none of them is interpolated; one that is shows as a subscript.
	gsub(/\\\(/, "\001", line)
	gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
	if (line ~ /\001/) line = line " interpolated[x]"
	comment = match(line, /\/\//) ? substr(line, RSTART) : ""
	sub(/\/\/.*/, "", line)
	gsub(/@[a-zA-Z_]+(\([^)]*\))?/, "", line)
	sub(/^[ \t]*#(if|else|elseif|endif).*/, "", line)

	# What a SAFETY comment covers: the declaration that it stands in, or the one behind it.
	if (comment ~ /SAFETY(: | \()/) {
		safety = FNR
		attached = 1
	} else if (line ~ /[^ \t]/) {
		if (!attached && (line ~ declaration || line ~ computed)) safety = 0
		attached = 0
	}
}
line ~ /^[ \t]*(import|public import|private import|internal import) / { next }
{
	kinds = ""
	if (isForced(line)) kinds = kinds "!"
	if (isArithmetic(line)) kinds = kinds "+"
	if (line ~ /[a-zA-Z0-9_)\]?!}][[][^\]]/ || line ~ /[a-zA-Z0-9_)\]?!}][[][ \t]*$/) kinds = kinds "["
	if (isConversion(line)) kinds = kinds "C"
	if (isRange(line)) kinds = kinds "R"
	if (isCall(line)) kinds = kinds "E"
	if (line ~ /(^|[^a-zA-Z0-9_])unsafe([ (]|$)/) kinds = kinds (safety > 0 && FNR - safety <= 15 ? "u" : "U")
	if (kinds == "") next
	text = $0
	gsub(/[ \t]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	print kinds "\t" FILENAME "\t" FNR "\t" text
}

function isForced(line) {
	return line ~ /[a-zA-Z0-9_)\]}"]!([^=]|$)/ || line ~ forced
}

function isArithmetic(line) {
	# Between two, at a line's beginning or end, before =, as a sign, and as a function such as (0, +).
	if (line ~ /[a-zA-Z0-9_)\]}"?] [-+*\/%] [][a-zA-Z0-9_("'.$~&!-]/) return 1
	if (line ~ /^[ \t]*[-+*\/%] / || line ~ / [-+*\/%][ \t]*$/) return 1
	if (line ~ /[^&<>=!~|][-+*\/%]=( |$)/) return 1
	if (line ~ /(^|[=(,:?{[] ?|return |in )-[a-zA-Z_(.]/ || line ~ /[(,] ?[-+*\/%]\)/) return 1
	if (line ~ /(^|[^a-zA-Z0-9_.])abs\(/ || line ~ /\.negate\(|quotientAndRemainder|dividingFullWidth/) return 1
	return line ~ /\.(add|subtract)\(.*ordering:/
}

function isConversion(line) {
	gsub(conversion "\\(ascii: \"\"\\)", "0", line)
	gsub(safeConversion, "safely(", line)
	if (line ~ ("(^|[^a-zA-Z0-9_.])" conversion "\\(([^)]|$)") || line ~ (conversion "\\.init([^a-zA-Z]|$)")) return 1
	# .init(x) of a type that stands elsewhere; .init(repeating: x) converts nothing.
	if (line ~ /(^|[^a-zA-Z0-9_)>\]])\.init\(([^)r]|r[^e])/) return 1
	return line ~ /numericCast|[^a-zA-Z0-9_]Self\([a-z]/
}

function isRange(line) {
	gsub(literalRange, " literal ", line)
	gsub(character "\\.\\.[.<]" character, "literal", line)
	return line ~ /\.\.<|\.\.\./ || line ~ /(^|[^a-zA-Z])(Closed)?Range\(/ || line ~ /(^|[^a-zA-Z0-9_.])stride\(/
}

function isCall(line) {
	if (line ~ changing && line !~ /func /) return 1
	if (line ~ placing || line ~ /\.(utf8Start|utf8CodeUnitCount|unicodeScalar)([^a-zA-Z_]|$)/) return 1
	if (line ~ /(remove|insert)\(.*at:|repeating: .*count:|random\(in:/ || line ~ counting) return 1
	return line ~ /fromByteOffset|toByteOffset|byteCount:/
}
