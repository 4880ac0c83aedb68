"""Random queries over small random tables, in SQL that SQLite, DuckDB and the built-in engine share."""

import random

TEXTS = ["a", "b", "ab", "B", ""]


class Generator:
    """One query after the other from a seed. `full`: with what SQLite lacks."""

    def __init__(self, seed, full=False):
        self.random = random.Random(seed)
        self.full = full
        self.names = 0

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *choices):
        return self.random.choice(choices)

    def fresh(self, stem):
        self.names += 1
        return f"{stem}{self.names}"

    def value(self, kind):
        if self.chance(0.25):
            return "NULL"
        if kind == "int":
            return str(self.random.randint(-2, 4))
        return "'" + self.random.choice(TEXTS) + "'"

    def table(self, name):
        """Two columns of whole numbers and one of text; the first row gives the types."""
        rows = [(str(self.random.randint(0, 3)), str(self.random.randint(0, 3)), "'a'")]
        for _ in range(self.random.randint(0, 6)):
            rows.append((self.value("int"), self.value("int"), self.value("text")))
        rows = ", ".join("(" + ", ".join(row) + ")" for row in rows)
        source = f"SELECT * FROM (VALUES {rows}) v"
        if self.chance(0.15):
            source += " WHERE column1 > 99" if not self.full else ""
        return f"{name}(a, b, c) AS ({source})"

    def query(self):
        self.names = 0
        tables = ", ".join(self.table(f"t{n}") for n in range(3))
        return f"WITH {tables} {self.body(2)}"

    def body(self, depth):
        share = self.random.random()
        if share < 0.15:
            kinds = ["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]
            if self.full:
                kinds += ["INTERSECT ALL", "EXCEPT ALL"] * 2
            kind = self.random.choice(kinds)
            return f"{self.plain(depth, 2)} {kind} {self.plain(depth, 2)}"
        if share < 0.35:
            return self.grouped(depth)
        if share < 0.45:
            return self.windowed(depth)
        return self.plain(depth, None)

    def source(self, depth):
        """A FROM clause, and its columns by type."""
        columns = {"int": [], "text": []}
        first = self.fresh("s")
        text = f"{self.relation(depth)} {first}"
        self.add(columns, first)
        merged = False
        for _ in range(self.random.choice([0, 0, 1, 1, 2])):
            name = self.fresh("s")
            kind = self.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN")
            relation = f"{self.relation(depth)} {name}"
            if kind == "CROSS JOIN":
                text += f" CROSS JOIN {relation}"
            elif self.chance(0.3) and not merged and "JOIN" not in text:
                merged = True
                text += f" {kind} {relation} USING (a)"
                columns["int"] = ["a"] + columns["int"]
            else:
                mine = self.fresh_columns(name)
                on = f"{self.random.choice(columns['int'])} {self.pick('=', '=', '=', '<')} {self.random.choice(mine)}"
                if kind == "FULL JOIN":
                    on = on.replace("<", "=")
                elif self.chance(0.2):
                    both = {"int": columns["int"] + mine, "text": columns["text"]}
                    on += f" AND {self.condition(both, 0)}"
                text += f" {kind} {relation} ON {on}"
            self.add(columns, name)
        return text, columns

    def fresh_columns(self, name):
        return [f"{name}.a", f"{name}.b"]

    def add(self, columns, name):
        columns["int"] += self.fresh_columns(name)
        columns["text"].append(f"{name}.c")

    def relation(self, depth):
        if depth > 0 and self.chance(0.2):
            source, columns = self.source(0)
            number, other = self.number(columns, 1), self.number(columns, 1)
            where = f" WHERE {self.condition(columns, 0)}" if self.chance(0.5) else ""
            text = self.random.choice(columns["text"])
            return f"(SELECT {number} AS a, {other} AS b, {text} AS c FROM {source}{where})"
        return f"t{self.random.randrange(3)}"

    def number(self, columns, depth):
        share = self.random.random()
        column = self.random.choice(columns["int"])
        if depth == 0 or share < 0.5:
            return column
        if share < 0.6:
            return str(self.random.randint(-1, 3))
        if share < 0.7:
            return f"({self.number(columns, depth - 1)} {self.pick('+', '-', '*')} {self.number(columns, depth - 1)})"
        if share < 0.78:
            return f"COALESCE({column}, {self.number(columns, depth - 1)})"
        if share < 0.85:
            return f"NULLIF({column}, {self.random.randint(0, 2)})"
        if share < 0.92:
            return f"CASE WHEN {self.condition(columns, 0)} THEN {column} ELSE {self.number(columns, depth - 1)} END"
        return f"abs({column})"

    def condition(self, columns, depth):
        share = self.random.random()
        one, two = self.number(columns, 1 if depth else 0), self.number(columns, 1 if depth else 0)
        text = self.random.choice(columns["text"])
        if share < 0.25:
            return f"{one} {self.pick('=', '<>', '<', '<=', '>')} {two}"
        if share < 0.33:
            return f"{one} IS {self.pick('', 'NOT ')}NULL"
        if share < 0.38:
            return f"{one} IS {self.pick('', 'NOT ')}DISTINCT FROM {two}"
        if share < 0.45:
            return f"{one} {self.pick('', 'NOT ')}IN ({two}, {self.value('int')}, 1)"
        if share < 0.50:
            return f"{one} {self.pick('', 'NOT ')}BETWEEN {two} AND {self.random.randint(0, 3)}"
        if share < 0.56:
            return f"{text} {self.pick('=', '<>', '<')} {self.value('text')}"
        if depth == 0:
            return f"{one} > 0"
        if share < 0.62:
            return f"NOT ({self.condition(columns, depth - 1)})"
        if share < 0.70:
            joined = self.pick("AND", "OR")
            return f"({self.condition(columns, depth - 1)} {joined} {self.condition(columns, depth - 1)})"
        if share < 0.85:
            left = self.pick(one, one, str(self.random.randint(0, 3)))
            return f"{left} {self.pick('', 'NOT ')}IN ({self.inner(columns)})"
        if share < 0.95:
            return f"{self.pick('', 'NOT ')}EXISTS ({self.inner(columns)})"
        return f"{one} {self.pick('=', '>')} ({self.scalar(columns)})"

    def inner(self, outer):
        """A subquery of one column, which may refer to an outer one."""
        name = self.fresh("i")
        columns = {"int": self.fresh_columns(name), "text": [f"{name}.c"]}
        where = self.inner_where(outer, columns)
        column = self.random.choice(columns["int"])
        if self.chance(0.12):
            having = f" HAVING count(*) {self.pick('=', '>')} {self.random.randint(0, 1)}" if self.chance(0.4) else ""
            return f"SELECT {self.pick('count(*)', f'max({column})')} FROM t{self.random.randrange(3)} {name}{where}{having}"
        distinct = self.pick("", "", "DISTINCT ")
        return f"SELECT {distinct}{column} FROM t{self.random.randrange(3)} {name}{where}"

    def scalar(self, outer):
        name = self.fresh("i")
        columns = {"int": self.fresh_columns(name), "text": [f"{name}.c"]}
        aggregate = self.pick("max", "min", "count", "sum")
        column = self.random.choice(columns["int"])
        return f"SELECT {aggregate}({column}) FROM t{self.random.randrange(3)} {name}{self.equal_where(outer, columns)}"

    def inner_where(self, outer, columns):
        if self.chance(0.35):
            return f" WHERE {self.condition(columns, 0)}" if self.chance(0.5) else ""
        return self.equal_where(outer, columns)

    def equal_where(self, outer, columns):
        if self.chance(0.4):
            return ""
        return f" WHERE {self.random.choice(columns['int'])} = {self.random.choice(outer['int'])}"

    def plain(self, depth, count):
        source, columns = self.source(depth)
        items = []
        for n in range(count or self.random.randint(1, 3)):
            share = self.random.random()
            if share < 0.12 and count is None:
                items.append(f"({self.condition(columns, 1)}) AS x{n}")
            elif share < 0.2 and count is None:
                items.append(f"({self.scalar(columns)}) AS x{n}")
            elif share < 0.3 and count is None:
                items.append(f"{self.random.choice(columns['text'])} AS x{n}")
            else:
                items.append(f"{self.number(columns, 2)} AS x{n}")
        distinct = "DISTINCT " if self.chance(0.15) else ""
        where = f" WHERE {self.condition(columns, 2)}" if self.chance(0.7) else ""
        return f"SELECT {distinct}{', '.join(items)} FROM {source}{where}"

    def aggregate(self, columns):
        number = self.number(columns, 1)
        return self.pick(
            "count(*)", f"count({number})", f"count(DISTINCT {number})", f"sum({number})",
            f"min({number})", f"max({number})", f"avg({number})",
            f"sum(CASE WHEN {self.condition(columns, 1)} THEN 1 ELSE 0 END)",
            f"min({self.random.choice(columns['text'])})",
            f"count(*) FILTER (WHERE {self.condition(columns, 0)})",
        )

    def grouped(self, depth):
        source, columns = self.source(depth)
        keys = [self.random.choice(columns["int"] + columns["text"]) for _ in range(self.random.randint(0, 2))]
        items = [f"{key} AS k{n}" for n, key in enumerate(keys)]
        items += [f"{self.aggregate(columns)} AS g{n}" for n in range(self.random.randint(1, 2))]
        where = f" WHERE {self.condition(columns, 1)}" if self.chance(0.5) else ""
        group = ""
        if keys:
            group = f" GROUP BY {', '.join(keys)}"
            if self.full and self.chance(0.3):
                group = f" GROUP BY {self.pick('ROLLUP', 'CUBE')} ({', '.join(dict.fromkeys(keys))})"
        having = f" HAVING {self.aggregate_number(columns)} > {self.random.randint(0, 2)}" if self.chance(0.3) else ""
        return f"SELECT {', '.join(items)} FROM {source}{where}{group}{having}"

    def aggregate_number(self, columns):
        return self.pick("count(*)", f"sum({self.random.choice(columns['int'])})")

    def windowed(self, depth):
        source, columns = self.source(0)
        number = self.random.choice(columns["int"])
        order = ", ".join(f"{column} NULLS FIRST" for column in columns["int"] + columns["text"])
        over = f"PARTITION BY {self.random.choice(columns['int'])} ORDER BY {order}"
        frame = self.pick(
            "", "", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
            " ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING", " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
        )
        nulls = " IGNORE NULLS" if self.full and self.chance(0.5) else ""
        call = self.pick(
            f"row_number() OVER ({over})", f"rank() OVER ({over})", f"dense_rank() OVER ({over})",
            f"sum({number}) OVER ({over}{frame})", f"count({number}) OVER ({over}{frame})",
            f"min({number}) OVER ({over}{frame})", f"max({number}) OVER ({over}{frame})",
            f"lead({number}, {self.random.randint(1, 2)}{nulls and nulls}) OVER ({over})",
            f"lag({number}, 1{nulls}) OVER ({over})", f"first_value({number}{nulls}) OVER ({over})",
            f"last_value({number}{nulls}) OVER ({over})", f"ntile(2) OVER ({over})",
        )
        return f"SELECT {call} AS w, {', '.join(columns['int'][:2])} FROM {source}"
