# SPDX-License-Identifier: GPL-2.0-or-later
# Finds the lines of Swift that could trap, for scripts/traps.sh.
#
# Prints `KINDS <tab> FILE <tab> LINE NUMBER <tab> DECLARATION <tab> TEXT` for each, the text with its whitespace folded,
# the declaration as a number. Kinds:
#   !  something forced: x!, try!, as!, a precondition; none may be there
#   +  arithmetic that traps on overflow or on division by zero, a sign in front of a number, atomic add and subtract
#   [  a subscript
#   C  an integer conversion that traps on what does not fit
#   R  a range with an end that is no literal
#   E  a call that traps on a wrong index or count: removeLast, swapAt, extracting, repeating:count: and their like
#   U  unsafe without a SAFETY comment in its declaration, at most fifteen lines of code above it
#   u  unsafe with one, which is its reason
# And `# <tab> FILE <tab> LINE NUMBER <tab> DECLARATION <tab> COUNT <tab> REASON` for each comment that says why so many
# lines of its declaration do not trap: `NO TRAP: REASON` of one, `NO TRAP (3): REASON` of three; `SAFETY (3): REASON`
# where three of the lines that are unsafe could trap for another reason, too. `(3 in this file)` is about lines of any
# declaration, and has no number of one.
#
# It knows no types: what it finds may be of a kind that never traps. What it knows not to trap: division by a literal,
# a range from 0 to what is called a count or a capacity, or to max(x, 0), an array of so many elements, an element that
# the same line has looked for in `indices`, and a subscript `[at: ]` and a conversion `(widening: )`, which are total
# wherever they are declared. What it does not find: an enumeration of C with a value that it does not have, memory that
# runs out, two changes of one value at once.

BEGIN {
	modifiers = "^[ \t]*((public|private|fileprivate|internal|package|static|mutating|nonmutating|borrowing|consuming|" \
		"override|final|private\\(set\\))[ \t]+)*"
	declaration = modifiers "(func|init|deinit|subscript|struct|enum|extension|class|protocol|actor)[ \t({<?]"
	computed = modifiers "var .*[{][ \t]*$"
	forced = "(^|[^a-zA-Z0-9])_?(try!|as!|precondition|preconditionFailure|fatalError|assert|assertionFailure|" \
		"unsafelyUnwrapped|unowned|abort)([^a-zA-Z0-9_]|$)"
	conversion = "U?Int(8|16|32|64|128)?"
	safeConversion = conversion "\\((truncatingIfNeeded|clamping|exactly|bitPattern|littleEndian|bigEndian|widening):"
	character = "UInt8\\(ascii: \"\"\\)"
	literal = "(0x[0-9A-F_]+|[0-9][0-9_]*)"
	literalRange = "(^|[^a-zA-Z0-9_.)])" literal "(\\.\\.<|\\.\\.\\.)" literal "([^a-zA-Z0-9_.]|$)"
	changing = "(^|[. \t(])(removeLast|removeFirst|removeSubrange|replaceSubrange|swapAt|extracting|" \
		"withMemoryRebound)(\\(|$)"
	placing = "\\.(dropFirst|dropLast|prefix|suffix|index|formIndex|distance|advanced)\\("
	divided = "[/%]=? (0x[0-9A-F_]*[1-9A-F]|[0-9_]*[1-9])[0-9A-F_]*"
	# A name that says so, without arguments, and nothing is added to it.
	count = "([a-zA-Z_][a-zA-Z0-9_.]*\\.)?(count|capacity|[a-z][a-zA-Z]*(Count|Capacity))"
	counted = "(^|[^a-zA-Z0-9_.)])0\\.\\.<" count "( [^-+*\\/%&]|[^a-zA-Z0-9_( .]|$)"
	filled = "repeating: [^,]*, count: (" count "|" literal ")[)]"
	reason = "(NO TRAP( [(][0-9]+( in this file)?[)])?|SAFETY [(][0-9]+( in this file)?[)]):"
	counting = "(allocate|bindMemory|initialize|deinitialize)\\(.*(capacity|count):"
}

FNR == 1 { place(); safety = 0; code = 0; attached = 0; number = 0 }
END { place() }
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

	if (match(comment, reason)) {
		text = substr(comment, RSTART, RLENGTH)
		why = substr(comment, RSTART + RLENGTH)
		waiting[++waits] = FILENAME "\t" FNR "\t"
		isOfFile[waits] = text ~ /in this file/
		what[waits] = (match(text, /[0-9]+/) ? substr(text, RSTART, RLENGTH) : 1) "\t" why
	}
	if (line ~ /[^ \t]/) {
		code++
		if (line ~ declaration || line ~ computed) number++
		place()
	}

	# What a SAFETY comment covers: the declaration that it stands in, or the one behind it.
	if (comment ~ /SAFETY(: | \()/ && comment !~ /SAFETY \([0-9]+ in this file\)/) {
		safety = code + 1
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
	if (isSubscript(line)) kinds = kinds "["
	if (isConversion(line)) kinds = kinds "C"
	if (isRange(line)) kinds = kinds "R"
	if (isCall(line)) kinds = kinds "E"
	if (line ~ /(^|[^a-zA-Z0-9_])unsafe([ (]|$)/) kinds = kinds (safety > 0 && code - safety <= 15 ? "u" : "U")
	if (kinds == "") next
	text = $0
	gsub(/[ \t]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	print kinds "\t" FILENAME "\t" FNR "\t" number "\t" text
}

# The comments that wait are about the declaration that they stand in, or the one behind them.
function place(   i) {
	for (i = 1; i <= waits; i++) print "#\t" waiting[i] (isOfFile[i] ? "" : number) "\t" what[i]
	waits = 0
}

function isForced(line) {
	return line ~ /[a-zA-Z0-9_)\]}"]!([^=]|$)/ || line ~ forced
}

function isArithmetic(line) {
	# A literal divides nothing by zero, and is not -1.
	gsub(divided, "\\&+ 1", line)
	# Between two, at a line's beginning or end, before =, as a sign, and as a function such as (0, +).
	if (line ~ /[a-zA-Z0-9_)\]}"?] [-+*\/%] [][a-zA-Z0-9_("'.$~&!-]/) return 1
	if (line ~ /^[ \t]*[-+*\/%] / || line ~ / [-+*\/%][ \t]*$/) return 1
	if (line ~ /[^&<>=!~|][-+*\/%]=( |$)/) return 1
	if (line ~ /(^|[=(,:?{[] ?|return |in )-[a-zA-Z_(.]/ || line ~ /[(,] ?[-+*\/%]\)/) return 1
	if (line ~ /(^|[^a-zA-Z0-9_.])abs\(/ || line ~ /\.negate\(|quotientAndRemainder|dividingFullWidth/) return 1
	return line ~ /\.(add|subtract)\(.*ordering:/
}

function isSubscript(line,   looked, list, behind, reach) {
	gsub(/[a-zA-Z0-9_)\]?!}][[]at: /, "", line)
	# LIST.indices.contains(INDEX), LIST[INDEX], with no call between them that could change the list.
	if (line !~ /\|\||![a-zA-Z0-9_.]+\.indices/ &&
		match(line, /[a-zA-Z0-9_.]+\.indices\.contains\([a-z][a-zA-Z0-9_]*\)/)) {
		list = looked = substr(line, RSTART, RLENGTH)
		sub(/\.indices.*/, "", list)
		sub(/.*\(/, "", looked)
		sub(/\)/, "", looked)
		behind = RSTART + RLENGTH
		reach = index(substr(line, behind), "(")
		if (reach == 0) reach = length(line)
		line = substr(line, 1, behind - 1) without(substr(line, behind, reach), list "[" looked "]") \
			substr(line, behind + reach)
	}
	return line ~ /[a-zA-Z0-9_)\]?!}][[][^\]]/ || line ~ /[a-zA-Z0-9_)\]?!}][[][ \t]*$/
}

# `line` without that text wherever it stands as a whole.
function without(line, text,   found, before) {
	before = ""
	while ((found = index(line, text)) > 0) {
		if (found > 1 && substr(line, found - 1, 1) ~ /[a-zA-Z0-9_.]/) {
			before = before substr(line, 1, found + length(text) - 1)
			line = substr(line, found + length(text))
		} else line = substr(line, 1, found - 1) "element" substr(line, found + length(text))
	}
	return before line
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
	gsub(/0\.\.<max\([^()]*, 0\)/, " counted ", line)
	gsub(counted, " counted ", line)
	gsub(literalRange, " literal ", line)
	gsub(character "\\.\\.[.<]" character, "literal", line)
	return line ~ /\.\.<|\.\.\./ || line ~ /(^|[^a-zA-Z])(Closed)?Range\(/ || line ~ /(^|[^a-zA-Z0-9_.])stride\(/
}

function isCall(line) {
	gsub(filled, "filled)", line)
	if (line ~ changing && line !~ /func /) return 1
	if (line ~ placing || line ~ /\.(utf8Start|utf8CodeUnitCount|unicodeScalar)([^a-zA-Z_]|$)/) return 1
	if (line ~ /(remove|insert)\(.*at:|repeating: .*count:|random\(in:/ || line ~ counting) return 1
	return line ~ /fromByteOffset|toByteOffset|byteCount:/
}
