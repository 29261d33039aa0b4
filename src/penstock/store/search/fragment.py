"""What a criterion compiles to: a condition in SQL over a row ``r``, with its values as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from penstock.formats.fhir.definitions import SearchParam
from penstock.formats.fhir.searchparams import R4, Parameters
from penstock.store.hashing import param_hash, prefix, tenant_number
from penstock.store.layout import Layout, layout

#: Tokens of one condition, beyond which comparing them with each row costs more than looking each up.
MANY = 50


class Fragment(NamedTuple):
    """A condition over ``r``.

    ``exact`` is False where it lets through more than it should, so that rows are checked again in memory. ``drive`` says how it can
    find rows by an index: ``few`` (a side table, an id), ``patient`` (the patient column), ``tokens`` (the GIN index: ``tokens`` says
    which), ``code`` (one value of the code or patient column, or the tokens for what the column does not hold: ``halves`` are the two
    conditions), or ``""`` (it only filters).
    """

    sql: str
    exact: bool = True
    drive: str = ""
    tokens: tuple[int, ...] = ()
    halves: tuple[str, str] = ("", "")
    #: The argument that lists the patients, where that is the whole condition.
    patients: str = ""
    #: The same condition as a look for each row, where ``sql`` is a join: better for few rows, worse for all.
    probe: str = ""
    #: The same condition of many tokens, with the same arguments, that looks up one token at a time: the planner thinks it cheap to
    #: compare a long list with each row.
    listed: str = ""
    #: The same condition of rows that have their number in columns of their own, which an index answers.
    plain: str = ""
    #: The conditions that this one consists of, where all of them must hold.
    parts: tuple[Fragment, ...] = ()

    @property
    def filter(self) -> str:
        """The same condition in a form that no index of tokens or codes answers, and that PostgreSQL takes to hold for half of the rows. Of
        an expression over an array it would think that hardly any row has it.
        """
        sql = self.sql.replace("r.tok &&", "(r.tok || '{}'::int8[]) &&").replace("r.code =", "(r.code + 0) =")
        return f"case when {sql} then true else false end"


@dataclass(slots=True)
class Target:
    """What is compiled for: a tenant's resources of one type, at a time; collects the arguments of the statement."""

    tenant: str
    type: str
    now: datetime
    args: list[object] = field(default_factory=list)
    parameters: Parameters = R4

    def add(self, value: object, type: str) -> str:
        """The placeholder of a new argument of SQL type ``type``."""
        self.args.append(value)
        return f"${len(self.args)}::{type}"

    def prefix(self, param: str) -> str:
        """What hashes of values of ``param`` begin with."""
        return prefix(self.tenant, self.type, param)

    def param(self, param: str) -> str:
        """``param`` as an argument, as the side tables know it."""
        return self.add(param_hash(self.tenant, self.type, param), "int8")

    def tenant_number(self) -> str:
        """The tenant as an argument, as every row carries it."""
        return self.add(tenant_number(self.tenant), "int4")

    @property
    def layout(self) -> Layout:
        return layout(self.type)

    @property
    def params(self) -> Mapping[str, SearchParam]:
        """The search parameters of the type."""
        return self.parameters.of(self.type)

    @property
    def base(self) -> str:
        """What absolute references to our own resources begin with."""
        return self.parameters.base

    def fill(self, template: str, type: str, **values: object) -> str:
        """``template`` with the ``{names}`` that occur in it replaced by arguments; the other values stay unused."""
        used = {name: self.add(value, type) for name, value in values.items() if f"{{{name}}}" in template}
        for name, placeholder in used.items():
            template = template.replace(f"{{{name}}}", placeholder)
        return template

    def any_token(self, tokens: list[int]) -> Fragment:
        """One of these tokens is on the row."""
        return self.any_of(self.add(tokens, "int8[]"), tokens)

    def any_of(self, list: str, tokens: Sequence[int]) -> Fragment:
        """The same for tokens that are an argument already."""
        listed = f"r.rid = any(array({self.one_by_one(list)}))" if len(tokens) > MANY else ""
        return Fragment(f"r.tok && {list}", drive="tokens", tokens=tuple(tokens), listed=listed)

    def one_by_one(self, list: str) -> str:
        """A select of the rows that have one of a list of tokens, each looked up by itself."""
        each = f"select x.rid from {self.layout.current} x where x.tok @> array[t.token] offset 0"
        return f"select o.rid from unnest({list}) t (token) cross join lateral ({each}) o"

    def in_side_table(self, condition: str, table: str, *, exact: bool = True, narrow: bool = True) -> Fragment:
        """A row of a side table satisfies ``condition``: a narrow one is looked up first, a wide one is left to the planner."""
        if narrow:
            return Fragment(f"r.rid = any(array(select s.rid from {table} s where {condition}))", exact=exact, drive="few")
        return Fragment(f"exists (select 1 from {table} s where s.rid = r.rid and {condition})", exact=exact)


#: Ways to find rows, best first.
_DRIVES = ("few", "patient", "code", "tokens")


def both(fragments: list[Fragment]) -> Fragment:
    """Every one of several conditions holds; the best way to find rows is that of one of them."""
    if len(fragments) == 1:
        return fragments[0]
    if not fragments:
        return Fragment("true")
    driver = min(fragments, key=lambda each: _DRIVES.index(each.drive) if each.drive else len(_DRIVES))
    sql = " and ".join(each.sql if each is driver else each.filter for each in fragments)
    drive = "tokens" if driver.drive == "code" else driver.drive
    return Fragment(f"({sql})", all(each.exact for each in fragments), drive, driver.tokens, parts=tuple(fragments))


def either(fragments: list[Fragment]) -> Fragment:
    """One of several conditions holds."""
    if len(fragments) == 1:
        return fragments[0]
    if not fragments:
        return Fragment("false")
    drives = {fragment.drive for fragment in fragments}
    drive = "" if "" in drives else "few" if drives <= {"few", "patient"} else "tokens"
    tokens = tuple(token for fragment in fragments for token in fragment.tokens)
    return Fragment(f"({' or '.join(each.sql for each in fragments)})", all(each.exact for each in fragments), drive, tokens)


def opposite(fragment: Fragment) -> Fragment:
    """The condition does not hold; it can find nothing by an index.

    Where the condition lets through too much, its opposite in SQL would let through too little: then everything is looked at again.
    """
    if fragment.exact:
        return Fragment(f"({fragment.sql}) is not true")
    return Fragment(f"({fragment.sql} or true)", exact=False)  # its arguments must still be used
