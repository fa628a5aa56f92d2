"""One record's features without arrays: the same definitions, the same bits."""

from features.record.view import RecordView as RecordView
from features.record.window import RecordWindow as RecordWindow
