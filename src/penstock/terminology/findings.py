"""What there can be to say about a code: a row each, with our words and the codes that clients of terminology servers know.

The ids are those of the messages that validators show in their own language (operationoutcome-message-id). Our words are constant: the
code, the system and the right display are parameters of the answer.
"""

from __future__ import annotations

from typing import NamedTuple

from penstock.formats.fhir.outcome import Finding
from penstock.terminology import details


class Kind(NamedTuple):
    """``told`` says whether it is part of the answer's message, or only of its issues."""

    severity: str
    code: str
    detail: str
    message_id: str
    text: str
    told: bool = True

    def finding(self, at: str = "", severity: str | None = None) -> Finding:
        return Finding(severity or self.severity, self.code, self.text, at, details.at(self.detail), self.message_id)


NOT_IN_SET = Kind(
    "error", "code-invalid", details.NOT_IN_SET, "None_of_the_provided_codes_are_in_the_value_set_one", "the code is not in the value set"
)
THIS_NOT_IN_SET = Kind(
    "information",
    "code-invalid",
    details.THIS_NOT_IN_SET,
    "None_of_the_provided_codes_are_in_the_value_set_one",
    "this coding is not in the value set",
)
NO_CODING_IN_SET = Kind(
    "error", "code-invalid", details.NOT_IN_SET, "TX_GENERAL_CC_ERROR_MESSAGE", "none of the codings is in the value set"
)
SET_UNKNOWN = Kind(
    "error",
    "not-found",
    details.NOT_FOUND,
    "Unable_to_resolve_value_Set_",
    "the value set is made of a value set that is not known here, so the code cannot be validated",
)
CODE_UNKNOWN = Kind("error", "code-invalid", details.INVALID_CODE, "Unknown_Code_in_Version", "the code system does not have the code")
CODE_UNKNOWN_IN_PART = Kind(
    "warning",
    "code-invalid",
    details.INVALID_CODE,
    "UNKNOWN_CODE_IN_FRAGMENT",
    "the code is not in the part of the code system that is known here; it may be in another",
)
CODE_MISSING = Kind("error", "invalid", details.INVALID_DATA, "Coding_has_no_code", "the coding has no code")
SYSTEM_UNKNOWN = Kind(
    "error", "not-found", details.NOT_FOUND, "UNKNOWN_CODESYSTEM", "the code system is not known here, so the code cannot be validated"
)
VERSION_UNKNOWN = Kind(
    "error",
    "not-found",
    details.NOT_FOUND,
    "UNKNOWN_CODESYSTEM_VERSION",
    "this version of the code system is not known here, so the code cannot be validated",
)
VERSION_OTHER = Kind(
    "error", "invalid", details.INVALID_SET, "VALUESET_VALUE_MISMATCH", "the value set uses another version of the code system"
)
SYSTEM_RELATIVE = Kind(
    "error", "invalid", details.INVALID_DATA, "Terminology_TX_System_Relative", "the system of a coding is an absolute URI"
)
SYSTEM_IS_SET = Kind(
    "error",
    "invalid",
    details.INVALID_DATA,
    "Terminology_TX_System_ValueSet2",
    "the system of the coding is a value set, not a code system",
)
SYSTEM_IS_SUPPLEMENT = Kind(
    "error", "invalid", details.INVALID_DATA, "CODESYSTEM_CS_NO_SUPPLEMENT", "the system of the coding is a supplement, not a code system"
)
SYSTEM_MISSING = Kind(
    "warning",
    "invalid",
    details.INVALID_DATA,
    "Coding_has_no_system__cannot_validate",
    "a code without a system has no meaning, so it cannot be validated",
)
SYSTEM_OTHER = Kind(
    "error",
    "invalid",
    details.INVALID_DATA,
    "CODESYSTEM_CS_MISMATCH",
    "the coding is of another code system than the one that is asked for",
)
SYSTEM_NOT_INFERRED = Kind(
    "error", "not-found", details.CANNOT_INFER, "UNABLE_TO_INFER_CODESYSTEM", "no code system of the value set has the code"
)
SYSTEM_AMBIGUOUS = Kind(
    "error",
    "not-found",
    details.CANNOT_INFER,
    "Unable_to_resolve_system__value_set_has_multiple_matches",
    "several code systems of the value set have the code",
)
INACTIVE = Kind(
    "warning", "business-rule", details.CODE_COMMENT, "INACTIVE_CONCEPT_FOUND", "the concept is inactive; its use should be reviewed"
)
INACTIVE_REFUSED = Kind("error", "business-rule", details.CODE_RULE, "STATUS_CODE_WARNING_CODE", "the code is valid, but it is not active")
ABSTRACT_REFUSED = Kind(
    "error",
    "business-rule",
    details.CODE_RULE,
    "ABSTRACT_CODE_NOT_ALLOWED",
    "the code only groups others, and such a code is not wanted here",
)
DEPRECATED = Kind(
    "warning", "business-rule", details.CODE_COMMENT, "DEPRECATED_CONCEPT_FOUND", "the concept is deprecated; its use should be reviewed"
)
DEPRECATED_IN_SET = Kind(
    "warning",
    "business-rule",
    details.CODE_COMMENT,
    "CONCEPT_DEPRECATED_IN_VALUESET",
    "the value set marks the concept as deprecated; its use should be reviewed",
    told=False,
)
CASE_DIFFERS = Kind(
    "information",
    "business-rule",
    details.CODE_RULE,
    "CODE_CASE_DIFFERENCE",
    "the code differs by case from the one that the code system has, for which case does not matter",
    told=False,
)
DISPLAY_WRONG = Kind(
    "error",
    "invalid",
    details.INVALID_DISPLAY,
    "Display_Name_for__should_be_one_of__instead_of",
    "the display is none that the code has in the languages that are asked for",
)
DISPLAY_SPACED = Kind(
    "error",
    "invalid",
    details.INVALID_DISPLAY,
    "Display_Name_WS_for__should_be_one_of__instead_of",
    "the display differs by its spaces from the one that the code has",
)
DISPLAY_WITHDRAWN = Kind(
    "warning", "invalid", details.DISPLAY_COMMENT, "INACTIVE_DISPLAY_FOUND", "the display is no longer a right one for the code", told=False
)
DISPLAY_OF_OTHER_LANGUAGE = Kind(
    "information",
    "invalid",
    details.INVALID_DISPLAY,
    "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK",
    "the code has no display in the languages that are asked for; the one that is given is right in another",
)
DISPLAY_OF_NO_LANGUAGE = Kind(
    "error",
    "invalid",
    details.INVALID_DISPLAY,
    "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR",
    "the code has no display in the languages that are asked for, and the one that is given is none that it has",
)
